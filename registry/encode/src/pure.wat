;; WASI 0.1 for a component that imports nothing: what a language's runtime asks of it is answered here, the same in every attempt. There
;; are no arguments, no environment, no files; what is written is gone; a look at the clock takes a microsecond and begins at 0; random
;; numbers are those of a fixed seed (Marsaglia's xorshift). What ends the process traps.
(module
  (import "env" "memory" (memory 0))
  (global $time (mut i64) (i64.const 0))
  (global $seed (mut i64) (i64.const 88172645463325252))

  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) unreachable)

  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))
  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))

  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $to i32) (result i32)
    (global.set $time (i64.add (global.get $time) (i64.const 1000)))
    (i64.store (local.get $to) (global.get $time))
    (i32.const 0))
  (func (export "adapter_monotonic_clock_set_paused") (param i32))

  (func (export "random_get") (param $to i32) (param $len i32) (result i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $len)))
        (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
        (global.set $seed (i64.xor (global.get $seed) (i64.shr_u (global.get $seed) (i64.const 7))))
        (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 17))))
        (i64.store8 (local.get $to) (global.get $seed))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (br $more)))
    (i32.const 0))

  ;; All of what is written is taken.
  (func (export "fd_write") (param $fd i32) (param $parts i32) (param $count i32) (param $taken i32) (result i32)
    (local $sum i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $parts))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $more)))
    (i32.store (local.get $taken) (local.get $sum))
    (i32.const 0))

  ;; 8 is EBADF, 52 is ENOSYS.
  (func (export "poll_oneoff") (param i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
)
