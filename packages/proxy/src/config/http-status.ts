/** Schema of `envoy.type.v3.HttpStatus`: an enum of statuses, given by number (502) or by name (`BadGateway`). */
import { built, message, required, type Schema, whole } from './schema.ts';

/** The names of the enum; those that are missing of 100 to 599 are refused, as Envoy does. */
const STATUSES: Readonly<Record<string, number>> = {
  Continue: 100,
  OK: 200,
  Created: 201,
  Accepted: 202,
  NonAuthoritativeInformation: 203,
  NoContent: 204,
  ResetContent: 205,
  PartialContent: 206,
  MultiStatus: 207,
  AlreadyReported: 208,
  IMUsed: 226,
  MultipleChoices: 300,
  MovedPermanently: 301,
  Found: 302,
  SeeOther: 303,
  NotModified: 304,
  UseProxy: 305,
  TemporaryRedirect: 307,
  PermanentRedirect: 308,
  BadRequest: 400,
  Unauthorized: 401,
  PaymentRequired: 402,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  ProxyAuthenticationRequired: 407,
  RequestTimeout: 408,
  Conflict: 409,
  Gone: 410,
  LengthRequired: 411,
  PreconditionFailed: 412,
  PayloadTooLarge: 413,
  URITooLong: 414,
  UnsupportedMediaType: 415,
  RangeNotSatisfiable: 416,
  ExpectationFailed: 417,
  MisdirectedRequest: 421,
  UnprocessableEntity: 422,
  Locked: 423,
  FailedDependency: 424,
  UpgradeRequired: 426,
  PreconditionRequired: 428,
  TooManyRequests: 429,
  RequestHeaderFieldsTooLarge: 431,
  InternalServerError: 500,
  NotImplemented: 501,
  BadGateway: 502,
  ServiceUnavailable: 503,
  GatewayTimeout: 504,
  HTTPVersionNotSupported: 505,
  VariantAlsoNegotiates: 506,
  InsufficientStorage: 507,
  LoopDetected: 508,
  NotExtended: 510,
  NetworkAuthenticationRequired: 511,
};

const KNOWN: ReadonlySet<number> = new Set(Object.values(STATUSES));

/** The status of a value as ProtoJSON has it; undefined where the enum has none like it. */
export function statusOf(code: unknown): number | undefined {
  const status = typeof code === 'string' ? (STATUSES[code] ?? Number(code)) : Number(code);
  return KNOWN.has(status) ? status : undefined;
}

/** A status that the proxy itself may answer with: no informational one. */
export const httpStatus: Schema<number> = built(
  message('envoy.type.v3.HttpStatus', { code: required(whole('enum, 200 or more')) }),
  ({ code }, place) => {
    const status = statusOf(code);
    if (status !== undefined && status >= 200) return status;
    place.within('code', () => place.refuse(`${String(code)} is no status of HTTP to answer with`));
    return 500;
  },
);
