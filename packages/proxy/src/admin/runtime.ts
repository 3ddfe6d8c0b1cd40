/** `/runtime` and `/runtime_modify`. */
import type { Runtime } from '../runtime/runtime.ts';
import { type Answer, json, OK, text } from './answer.ts';
import type { AdminActions } from './context.ts';

const USAGE = `usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override
`;

/** Every value with what each layer says of it; objects are shown as JSON. */
export function runtime(values: Pick<Runtime, 'shown'>): Answer {
  return json(values.shown());
}

/** Changes values of the layer that the bootstrap keeps for this. */
export function runtimeModify(actions: Pick<AdminActions, 'overrideRuntime'>, query: URLSearchParams): Answer {
  if (query.size === 0) return text(USAGE, 400);
  return actions.overrideRuntime([...query]) ? OK : text('No admin layer specified', 503);
}
