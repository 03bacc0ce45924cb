module {{name}}

go 1.25

require wharf v0.0.0

replace wharf => ./vendor/wharf
