/** Percent-encoding (RFC 3986, 2.1). */

/** Text with one character for each byte, its escapes undone; what looks like one and is none stays. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
