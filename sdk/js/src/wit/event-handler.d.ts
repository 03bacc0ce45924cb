/// <reference path="./interfaces/wasi-clocks-monotonic-clock.d.ts" />
/// <reference path="./interfaces/wasi-clocks-wall-clock.d.ts" />
/// <reference path="./interfaces/wasi-config-store.d.ts" />
/// <reference path="./interfaces/wasi-keyvalue-atomics.d.ts" />
/// <reference path="./interfaces/wasi-keyvalue-store.d.ts" />
/// <reference path="./interfaces/wasi-logging-logging.d.ts" />
/// <reference path="./interfaces/wasi-random-random.d.ts" />
/// <reference path="./interfaces/wharf-plugin-counters.d.ts" />
/// <reference path="./interfaces/wharf-plugin-handler.d.ts" />
/// <reference path="./interfaces/wharf-plugin-publisher.d.ts" />
/// <reference path="./interfaces/wharf-plugin-types.d.ts" />
declare module 'wharf:plugin/event-handler@0.1.0' {
  export type * as WasiClocksMonotonicClock020 from 'wasi:clocks/monotonic-clock@0.2.0'; // import wasi:clocks/monotonic-clock@0.2.0
  export type * as WasiClocksWallClock020 from 'wasi:clocks/wall-clock@0.2.0'; // import wasi:clocks/wall-clock@0.2.0
  export type * as WasiConfigStore020Rc1 from 'wasi:config/store@0.2.0-rc.1'; // import wasi:config/store@0.2.0-rc.1
  export type * as WasiKeyvalueAtomics020Draft from 'wasi:keyvalue/atomics@0.2.0-draft'; // import wasi:keyvalue/atomics@0.2.0-draft
  export type * as WasiKeyvalueStore020Draft from 'wasi:keyvalue/store@0.2.0-draft'; // import wasi:keyvalue/store@0.2.0-draft
  export type * as WasiLoggingLogging010Draft from 'wasi:logging/logging@0.1.0-draft'; // import wasi:logging/logging@0.1.0-draft
  export type * as WasiRandomRandom020 from 'wasi:random/random@0.2.0'; // import wasi:random/random@0.2.0
  export type * as WharfPluginCounters010 from 'wharf:plugin/counters@0.1.0'; // import wharf:plugin/counters@0.1.0
  export type * as WharfPluginPublisher010 from 'wharf:plugin/publisher@0.1.0'; // import wharf:plugin/publisher@0.1.0
  export type * as WharfPluginTypes010 from 'wharf:plugin/types@0.1.0'; // import wharf:plugin/types@0.1.0
  export * as handler from 'wharf:plugin/handler@0.1.0'; // export wharf:plugin/handler@0.1.0
}
