/** The text of each status, so that none is made for a response. */
export const STATUS_TEXT: readonly string[] = Array.from({ length: 1000 }, (_, status) => String(status));
