;; A program: it reads the event from stdin, and does what the event's type says. It is a core module, as compilers make of a program; a test
;; makes a component of it by `wharf componentize --world command`.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  ;; At 0 one buffer's place and size, at 8 a count, from 64 on texts, from 4,096 on the event.
  (memory (export "memory") 8)
  (data (i32.const 64) "program.reject")
  (data (i32.const 96) "program.fail")
  (data (i32.const 128) "program.words")
  (data (i32.const 160) "program.loop")
  (data (i32.const 192) "program.flood")
  (data (i32.const 256) "{\"reject\":\"not for me\"}\n")
  (data (i32.const 320) "{\"type\":\"program.heard\",\"subject\":\"s\",\"mark\":\"m\",\"data\":")
  (data (i32.const 448) "}\n")
  (data (i32.const 512) "it broke\n")
  (data (i32.const 576) "these are words\n")

  (func $buffer (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $size)))

  ;; Reads stdin to its end, and gives its size.
  (func $read (result i32)
    (local $size i32)
    (loop $more
      (call $buffer (i32.add (i32.const 4096) (local.get $size)) (i32.sub (i32.const 500000) (local.get $size)))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return (local.get $size))))
      (local.set $size (i32.add (local.get $size) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (local.get $size))

  (func $write (param $to i32) (param $at i32) (param $size i32)
    (loop $more
      (call $buffer (local.get $at) (local.get $size))
      (if (call $fd_write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $size (i32.sub (local.get $size) (i32.load (i32.const 8))))
      (br_if $more (local.get $size))))

  ;; Whether the event of so many bytes has a text in it.
  (func $has (param $text i32) (param $length i32) (param $size i32) (result i32)
    (local $at i32) (local $n i32)
    (loop $next
      (local.set $n (i32.const 0))
      (block $other
        (loop $same
          (br_if $other (i32.ne
            (i32.load8_u (i32.add (local.get $text) (local.get $n)))
            (i32.load8_u (i32.add (i32.const 4096) (i32.add (local.get $at) (local.get $n))))))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $same (i32.lt_u (local.get $n) (local.get $length))))
        (return (i32.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $size))))
    (i32.const 0))

  (func (export "_start")
    (local $size i32)
    (local.set $size (call $read))
    (if (call $has (i32.const 64) (i32.const 14) (local.get $size))
      (then (call $write (i32.const 1) (i32.const 256) (i32.const 24)) (return)))
    (if (call $has (i32.const 128) (i32.const 13) (local.get $size))
      (then (call $write (i32.const 1) (i32.const 576) (i32.const 16)) (return)))
    (if (call $has (i32.const 160) (i32.const 12) (local.get $size))
      (then (loop $forever (br $forever))))
    (if (call $has (i32.const 192) (i32.const 13) (local.get $size))
      (then (loop $forever (call $write (i32.const 1) (i32.const 4096) (i32.const 65536)) (br $forever))))
    ;; The event, without the end of its line, is what it publishes.
    (call $write (i32.const 1) (i32.const 320) (i32.const 56))
    (call $write (i32.const 1) (i32.const 4096) (i32.sub (local.get $size) (i32.const 1)))
    (call $write (i32.const 1) (i32.const 448) (i32.const 2))
    (if (call $has (i32.const 96) (i32.const 12) (local.get $size))
      (then (call $write (i32.const 2) (i32.const 512) (i32.const 9)) (call $proc_exit (i32.const 3))))))
