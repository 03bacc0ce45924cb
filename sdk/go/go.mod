module wharf

go 1.25
