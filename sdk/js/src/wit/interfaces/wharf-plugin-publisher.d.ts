/// <reference path="./wharf-plugin-types.d.ts" />
declare module 'wharf:plugin/publisher@0.1.0' {
  /**
   * Adds an event to the attempt's effects. Gives the id that it will have.
   */
  export function publish(event: Draft): string;
  export type Attribute = import('wharf:plugin/types@0.1.0').Attribute;
  /**
   * An event to be published on the bus of the handled event. The host sets `id`, `time`, `correlationid`,
   * `causationid` and the hop count.
   */
  export interface Draft {
    /**
     * What kind of occurrence this is.
     */
    type: string,
    /**
     * Absent = `plugin/<name>`.
     */
    source?: string,
    /**
     * What in the source the event is about.
     */
    subject?: string,
    /**
     * Absent with data present = `application/json`.
     */
    datacontenttype?: string,
    /**
     * Further extension attributes.
     */
    extensions: Array<Attribute>,
    /**
     * The payload.
     */
    data?: Uint8Array,
  }
  /**
   * Why an event was not taken. (More events or bytes than an attempt may publish end the attempt.)
   */
  export type PublishError = PublishErrorDenied | PublishErrorInvalid;
  /**
   * No grant of this plugin covers the event's type.
   */
  export interface PublishErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * The draft breaks a rule of CloudEvents.
   */
  export interface PublishErrorInvalid {
    tag: 'invalid',
    val: string,
  }
}
