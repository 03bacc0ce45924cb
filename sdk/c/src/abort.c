/* abort() and assert() of a component: their words reach the host before the trap. They take the place of the C library's.
 *
 * A memory fault has no words: the trap's own reason is in the attempt.
 */
#include "inside.h"

_Noreturn void abort(void);
_Noreturn void __assert_fail(const char *condition, const char *file, int line, const char *function);

void abort(void)
{
    wharf_panic("abort() was called");
}

void __assert_fail(const char *condition, const char *file, int line, const char *function)
{
    wharf_panic("%s: %d: %s: assertion `%s` failed", file, line, function, condition);
}
