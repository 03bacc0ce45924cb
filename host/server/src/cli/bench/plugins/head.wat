  ;; What both plugins of `wharf bench` begin with: memory, the key-value store, counters, and the types of the contract. build.rs puts
  ;; it before each of them, since one component is one text.

  ;; A call is all that an instance sees, so nothing is ever given back. It is large enough from the start that it seldom grows.
  (core module $home
    (memory (export "memory") 64)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32) (local $missing i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.set $missing (i32.sub (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.gt_s (local.get $missing) (i32.const 0))
        (then (if (i32.lt_s (memory.grow (i32.add (i32.shr_u (local.get $missing) (i32.const 16)) (i32.const 1))) (i32.const 0))
          (then unreachable))))
      (local.get $at)))
  (core instance $home (instantiate $home))

  (import "wasi:keyvalue/store@0.2.0-draft" (instance $store
    (export "bucket" (type $bucket (sub resource)))
    (type $error' (variant (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $error')))
    (export "open" (func (param "identifier" string) (result (result (own $bucket) (error $error)))))))
  (alias export $store "bucket" (type $bucket))
  (alias export $store "error" (type $error))
  (import "wharf:plugin/counters@0.1.0" (instance $counters
    (export "bucket" (type $of (eq $bucket)))
    (export "error" (type $error-of (eq $error)))
    (export "add" (func (param "bucket" (borrow $of)) (param "key" string) (param "delta" s64)
      (result (result (error $error-of)))))))

  (core func $open (canon lower (func $store "open")
    (memory (core memory $home "memory")) (realloc (core func $home "realloc"))))
  (core func $add (canon lower (func $counters "add")
    (memory (core memory $home "memory")) (realloc (core func $home "realloc"))))

  ;; Counts an event by its subject: one is added to the key of that name in the bucket `bench`.
  (core module $counting
    (import "home" "memory" (memory 0))
    (import "host" "open" (func $open (param i32 i32 i32)))
    (import "host" "add" (func $add (param i32 i32 i32 i64 i32)))
    (data (i32.const 16) "bench")
    (global $bucket (mut i32) (i32.const 0))
    (func (export "begin")
      (call $open (i32.const 16) (i32.const 5) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then unreachable))
      (global.set $bucket (i32.load (i32.const 68))))
    ;; Of an event: id, source, type, and its subject with a mark before it that says whether there is one.
    (func (export "count") (param $event i32)
      (if (i32.eqz (i32.load8_u offset=24 (local.get $event))) (then unreachable))
      (call $add (global.get $bucket)
        (i32.load offset=28 (local.get $event)) (i32.load offset=32 (local.get $event)) (i64.const 1) (i32.const 96))
      (if (i32.load8_u (i32.const 96)) (then unreachable))))
  (core instance $counting (instantiate $counting
    (with "home" (instance $home))
    (with "host" (instance (export "open" (func $open)) (export "add" (func $add))))))

  (type $attribute (record (field "name" string) (field "value" string)))
  (type $event (record
    (field "id" string) (field "source" string) (field "type" string) (field "subject" (option string))
    (field "time" (option string)) (field "datacontenttype" (option string)) (field "dataschema" (option string))
    (field "extensions" (list $attribute)) (field "data" (option (list u8)))))
  (type $delivery (record
    (field "id" string) (field "rule" string) (field "attempt" u32) (field "max-attempts" u32) (field "deadline-ms" u32)))
  (type $retry-request (record (field "after-ms" (option u64)) (field "reason" string)))
  (type $failure (variant (case "retry" $retry-request) (case "reject" string)))
