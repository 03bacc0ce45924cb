/* What the sources of the SDK share, and authors have no need of. */
#ifndef WHARF_INSIDE_H
#define WHARF_INSIDE_H

#include "../include/wharf.h"

/* Frees all that was handed out. */
void wharf_end_of_attempt(void);
wharf_bytes wharf_copy(const void *bytes, size_t len);
wharf_bytes wharf_format_list(const char *format, va_list arguments);
size_t wharf_character(const char *text, size_t len);
wharf_bytes wharf_sound(wharf_bytes text);

#endif
