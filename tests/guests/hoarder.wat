;; Breaks the limits that Rust has no words for, by the type of the event that it handles: `hoard.memories`, `hoard.tables`,
;; `hoard.calls`, `hoard.handles`. It is written by hand, as small as a component of the world `event-handler` can be.
(component
  ;; Memory and answers: realloc gives the same page again and again, since one call is all that an instance sees.
  (core module $home
    (memory (export "memory") 24)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (global $next (mut i32) (i32.const 1024)))
  (core instance $home (instantiate $home))

  ;; A resource of its own, of which it holds as many handles as it can.
  (type $thing (resource (rep i32)))
  (core func $new (canon resource.new $thing))

  (core module $hoarder
    (import "home" "memory" (memory 0))
    (import "home" "new" (func $new (param i32) (result i32)))
    (import "second" "grow" (func $grow (result i32)))
    (table $a 1 funcref)
    (table $b 1 funcref)

    ;; The event is at its argument: id, source, type; each a place and a length. The letter after `hoard.` says what to do.
    (func (export "handle") (param $event i32) (result i32) (local $what i32)
      (local.set $what (i32.load8_u offset=6 (i32.load offset=16 (local.get $event))))
      (if (i32.eq (local.get $what) (i32.const 0x6d)) (then (call $memories)))
      (if (i32.eq (local.get $what) (i32.const 0x74)) (then (call $tables)))
      (if (i32.eq (local.get $what) (i32.const 0x63)) (then (drop (call $calls (i32.const 0)))))
      (if (i32.eq (local.get $what) (i32.const 0x68)) (then (call $handles)))
      ;; The answer at 0 is all zeros: it succeeded.
      (i32.const 0))

    (func $tables
      (loop $more
        (if (i32.lt_s (table.grow $a (ref.null func) (i32.const 1000)) (i32.const 0)) (then unreachable))
        (if (i32.lt_s (table.grow $b (ref.null func) (i32.const 1000)) (i32.const 0)) (then unreachable))
        (br $more)))

    ;; What it remembers is on the host's side of its stack only, where no memory of its own ends it.
    (func $calls (param $depth i32) (result i32)
      (i32.add (call $calls (i32.add (local.get $depth) (i32.const 1))) (local.get $depth)))

    (func $handles
      (loop $more
        (drop (call $new (i32.const 1)))
        (br $more)))

    ;; Two memories, taken in turns.
    (func $memories
      (loop $more
        (if (i32.lt_s (memory.grow (i32.const 16)) (i32.const 0)) (then unreachable))
        (if (i32.lt_s (call $grow) (i32.const 0)) (then unreachable))
        (br $more))))

  (core module $second
    (memory 1)
    (func (export "grow") (result i32) (memory.grow (i32.const 16))))
  (core instance $second (instantiate $second))

  (core instance $hoarder (instantiate $hoarder
    (with "home" (instance
      (export "memory" (memory $home "memory"))
      (export "new" (func $new))))
    (with "second" (instance $second))))

  (type $attribute (record (field "name" string) (field "value" string)))
  (type $event (record
    (field "id" string) (field "source" string) (field "type" string) (field "subject" (option string))
    (field "time" (option string)) (field "datacontenttype" (option string)) (field "dataschema" (option string))
    (field "extensions" (list $attribute)) (field "data" (option (list u8)))))
  (type $delivery (record
    (field "id" string) (field "rule" string) (field "attempt" u32) (field "max-attempts" u32) (field "deadline-ms" u32)))
  (type $retry-request (record (field "after-ms" (option u64)) (field "reason" string)))
  (type $failure (variant (case "retry" $retry-request) (case "reject" string)))

  (func $handle (param "event" $event) (param "delivery" $delivery) (result (result (error $failure)))
    (canon lift (core func $hoarder "handle")
      (memory (core memory $home "memory")) (realloc (core func $home "realloc"))))

  ;; An exported function may name only types that have a name outside: an inner component gives them one.
  (component $exports
    (type $attribute' (record (field "name" string) (field "value" string)))
    (import "type-attribute" (type $attribute (eq $attribute')))
    (type $event' (record
      (field "id" string) (field "source" string) (field "type" string) (field "subject" (option string))
      (field "time" (option string)) (field "datacontenttype" (option string)) (field "dataschema" (option string))
      (field "extensions" (list $attribute)) (field "data" (option (list u8)))))
    (import "type-event" (type $event (eq $event')))
    (type $delivery' (record
      (field "id" string) (field "rule" string) (field "attempt" u32) (field "max-attempts" u32) (field "deadline-ms" u32)))
    (import "type-delivery" (type $delivery (eq $delivery')))
    (type $retry-request' (record (field "after-ms" (option u64)) (field "reason" string)))
    (import "type-retry-request" (type $retry-request (eq $retry-request')))
    (type $failure' (variant (case "retry" $retry-request) (case "reject" string)))
    (import "type-failure" (type $failure (eq $failure')))
    (import "handle" (func $handle
      (param "event" $event) (param "delivery" $delivery) (result (result (error $failure)))))
    ;; What is exported is made of what is exported before it.
    (export $attribute-out "attribute" (type $attribute))
    (type $event-of (record
      (field "id" string) (field "source" string) (field "type" string) (field "subject" (option string))
      (field "time" (option string)) (field "datacontenttype" (option string)) (field "dataschema" (option string))
      (field "extensions" (list $attribute-out)) (field "data" (option (list u8)))))
    (export $event-out "event" (type $event-of))
    (export $delivery-out "delivery" (type $delivery))
    (export $retry-request-out "retry-request" (type $retry-request))
    (type $failure-of (variant (case "retry" $retry-request-out) (case "reject" string)))
    (export $failure-out "failure" (type $failure-of))
    (export "handle" (func $handle) (func
      (param "event" $event-out) (param "delivery" $delivery-out) (result (result (error $failure-out))))))
  (instance $exports (instantiate $exports
    (with "type-attribute" (type $attribute))
    (with "type-event" (type $event))
    (with "type-delivery" (type $delivery))
    (with "type-retry-request" (type $retry-request))
    (with "type-failure" (type $failure))
    (with "handle" (func $handle))))
  (export "wharf:plugin/handler@0.1.0" (instance $exports)))
