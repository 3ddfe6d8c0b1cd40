/** How a proxy is asked to end what it serves. */
export interface DrainRequest {
  /** How long what runs may take. */
  readonly timeoutMs: number;
  /** Of listeners of that direction; default: of all. */
  readonly direction?: 'INBOUND' | 'OUTBOUND';
}

/** How `/drain_listeners` asks. */
export interface DrainListeners {
  /** Lets connections end for the drain time before listeners close, rather than closing listeners now. */
  readonly graceful: boolean;
  readonly inboundOnly: boolean;
  /** Leaves listeners open once connections were told to end. */
  readonly skipExit: boolean;
}
