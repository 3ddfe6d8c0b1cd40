/** Where the bus tells what operators want to know; pino's loggers fit. */
export interface BusLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Says nothing. */
export const SILENT: BusLog = { info: () => undefined, warn: () => undefined };
