/** What routes answer by themselves: redirects, and responses of their own. */
import { textOf } from '../http/field-text.ts';
import type { RequestHead } from '../http/message.ts';
import type { LocalReply } from './local-reply.ts';
import { REDIRECT_STATUS, redirectLocation, SAME_PLACE } from './redirect.ts';
import type { Route } from './route-table.ts';
import type { StreamInfo } from './stream-info.ts';

type ActionOf<T> = Extract<Route['action'], { readonly type: T }>['config'];

const DIRECT = { flags: 0, details: 'direct_response' } as const;

export function redirectReply(config: ActionOf<'redirect'>, head: RequestHead, route: Route): LocalReply {
  const location = redirectLocation(config, head, route.path);
  return { ...DIRECT, status: REDIRECT_STATUS[config.response_code], body: '', headers: [['location', location]] };
}

/** The body is noted in `info`, where formats find it. */
export function directReply(config: ActionOf<'direct'>, head: RequestHead, route: Route, info: StreamInfo): LocalReply {
  const { status, body_format: format } = config;
  info.localReplyBody = config.body?.toString() ?? '';
  const reply = { ...DIRECT, status, body: format ? textOf(format.write(info)) : info.localReplyBody };
  // What says that something was made, or is elsewhere, says where: where it was asked for, if nobody says otherwise.
  const tellsPlace = status === 201 || (status >= 300 && status <= 399);
  return tellsPlace ? { ...reply, headers: [['location', redirectLocation(SAME_PLACE, head, route.path)]] } : reply;
}
