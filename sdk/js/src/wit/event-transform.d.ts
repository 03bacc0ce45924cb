/// <reference path="./interfaces/wharf-plugin-transformer.d.ts" />
/// <reference path="./interfaces/wharf-plugin-types.d.ts" />
declare module 'wharf:plugin/event-transform@0.1.0' {
  export type * as WharfPluginTypes010 from 'wharf:plugin/types@0.1.0'; // import wharf:plugin/types@0.1.0
  export * as transformer from 'wharf:plugin/transformer@0.1.0'; // export wharf:plugin/transformer@0.1.0
}
