/** The largest message that the embedded bus takes. */
export const LIMIT_BYTES = 8 * 1024 * 1024;
