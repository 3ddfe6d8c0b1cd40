/** What can be wrong with the bytes of a message. Each is one constant: a flood of bad input makes no garbage. */

export interface Violation {
  /** The status that answers a request with this fault. */
  readonly status: 400 | 426 | 431 | 501 | 505;
  /** A name without spaces, for `%RESPONSE_CODE_DETAILS%`. */
  readonly detail: string;
}

const bad = (detail: string): Violation => ({ status: 400, detail: `http1.${detail}` });

export const VIOLATIONS = {
  bareLineFeed: bad('bare_line_feed'),
  bareCarriageReturn: bad('bare_carriage_return'),
  nulByte: bad('nul_byte'),
  emptyLines: bad('too_many_empty_lines'),
  method: bad('invalid_method'),
  target: bad('invalid_url'),
  requestLine: bad('invalid_request_line'),
  version: bad('invalid_version'),
  statusLine: bad('invalid_status_line'),
  status: bad('invalid_status'),
  informational: bad('too_many_informational_responses'),
  folding: bad('folded_field'),
  fieldName: bad('invalid_field_name'),
  fieldValue: bad('invalid_field_value'),
  host: bad('invalid_host'),
  missingHost: bad('missing_host_header'),
  severalHosts: bad('several_hosts'),
  contentLength: bad('invalid_content_length'),
  severalContentLengths: bad('several_content_lengths'),
  lengthAndEncoding: bad('content_length_with_transfer_encoding'),
  transferEncoding: bad('invalid_transfer_encoding'),
  connectionOption: bad('invalid_connection_option'),
  chunkSize: bad('invalid_chunk_size'),
  chunkExtension: bad('invalid_chunk_extension'),
  chunkEnd: bad('invalid_chunk_end'),
  unexpectedBytes: bad('unexpected_bytes'),
  unknownCoding: { status: 501, detail: 'http1.unsupported_transfer_encoding' },
  majorVersion: { status: 505, detail: 'http1.unsupported_version' },
  oldVersion: { status: 426, detail: 'low_version' },
  headTooLarge: { status: 431, detail: 'http1.headers_too_large' },
  tooManyFields: { status: 431, detail: 'http1.too_many_headers' },
} as const satisfies Record<string, Violation>;
