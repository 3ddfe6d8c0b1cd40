/** An authorization service, whatever it speaks. */
import type { FilteredRequest } from '../filter.ts';
import type { CheckedBody } from './check-request.ts';
import type { Verdict } from './verdict.ts';

export interface AuthorizationService {
  /** Asks about a request; rejects where no answer came, or one that cannot be read. */
  check(
    request: FilteredRequest,
    body: CheckedBody | undefined,
    extensions: Readonly<Record<string, string>> | undefined,
    signal: AbortSignal,
  ): Promise<Verdict>;
}
