  ;; Counts the events of a batch: what `wharf bench batch` has run for many at once, in one sandbox.
  (core module $many
    (import "home" "memory" (memory 0))
    (import "home" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "counting" "begin" (func $begin))
    (import "counting" "count" (func $count (param i32)))
    ;; An item is an event and a delivery, of 120 bytes. An outcome has 40, and all zeros is one that succeeded. The answer is at
    ;; 128: that the call succeeded, and the list of outcomes.
    (func (export "handle") (param $items i32) (param $number i32) (result i32) (local $end i32) (local $item i32)
      (call $begin)
      (local.set $item (local.get $items))
      (local.set $end (i32.add (local.get $items) (i32.mul (local.get $number) (i32.const 120))))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $item) (local.get $end)))
          (call $count (local.get $item))
          (local.set $item (i32.add (local.get $item) (i32.const 120)))
          (br $next)))
      (i32.store (i32.const 136) (call $realloc
        (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $number) (i32.const 40))))
      (i32.store (i32.const 140) (local.get $number))
      (i32.const 128)))
  (core instance $many (instantiate $many (with "home" (instance $home)) (with "counting" (instance $counting))))
  (type $item (record (field "event" $event) (field "delivery" $delivery)))
  (type $outcome (result (error $failure)))
  (func $handle (param "batch" (list $item)) (result (result (list $outcome) (error $failure)))
    (canon lift (core func $many "handle")
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
    (type $item' (record (field "event" $event) (field "delivery" $delivery)))
    (import "type-item" (type $item (eq $item')))
    (type $outcome (result (error $failure)))
    (import "handle" (func $handle (param "batch" (list $item)) (result (result (list $outcome) (error $failure)))))
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
    (type $item-of (record (field "event" $event-out) (field "delivery" $delivery-out)))
    (export $item-out "item" (type $item-of))
    (type $outcome-of (result (error $failure-out)))
    (export "handle-batch" (func $handle) (func
      (param "batch" (list $item-out)) (result (result (list $outcome-of) (error $failure-out))))))
  (instance $exports (instantiate $exports
    (with "type-attribute" (type $attribute))
    (with "type-event" (type $event))
    (with "type-delivery" (type $delivery))
    (with "type-retry-request" (type $retry-request))
    (with "type-failure" (type $failure))
    (with "type-item" (type $item))
    (with "handle" (func $handle))))
  (export "wharf:plugin/batch-handler@0.1.0" (instance $exports))
