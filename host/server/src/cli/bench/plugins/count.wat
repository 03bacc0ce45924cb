  ;; Counts one event: what `wharf bench plugin` has run for each, in a sandbox of its own.
  (core module $one
    (import "counting" "begin" (func $begin))
    (import "counting" "count" (func $count (param i32)))
    (func (export "handle") (param $event i32) (result i32)
      (call $begin)
      (call $count (local.get $event))
      ;; What lies at 0 is all zeros: it succeeded.
      (i32.const 0)))
  (core instance $one (instantiate $one (with "counting" (instance $counting))))
  (func $handle (param "event" $event) (param "delivery" $delivery) (result (result (error $failure)))
    (canon lift (core func $one "handle")
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
  (export "wharf:plugin/handler@0.1.0" (instance $exports))
