/** `/logging`: how much is logged, and the change of it. */
import { type Answer, text } from './answer.ts';
import { type AdminContext, LOG_LEVELS, type LogLevel } from './context.ts';

/** The one logger that there is. */
const LOGGER = 'weft';

const USAGE = `usage: /logging?level=<level> (all loggers)
usage: /logging?<name>=<level> (one logger)
usage: /logging?paths=<name1>:<level1>,<name2>:<level2>,... (several loggers)
levels: ${LOG_LEVELS.join(' ')}
`;

function isLevel(value: string): value is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(value);
}

function refused(problem: string): Answer {
  return text(`error: ${problem}\n\n${USAGE}\n`, 400);
}

/** Pairs of logger and level that a query asks for; '' is every logger. */
function changesOf(name: string, value: string): readonly (readonly [logger: string, level: string])[] {
  if (name === 'level') return [['', value]];
  if (name !== 'paths' && name !== 'group') return [[name, value]];
  return value.split(',').map((pair) => {
    const colon = pair.lastIndexOf(':');
    return [pair.slice(0, Math.max(0, colon)), pair.slice(colon + 1)];
  });
}

export function logging(context: AdminContext, query: URLSearchParams): Answer {
  const parameters = [...query].filter(([, value]) => value !== '');
  if (parameters.length > 1) return refused('invalid number of parameters');
  const changes = parameters.flatMap(([name, value]) => changesOf(name, value));
  const levels: LogLevel[] = [];
  for (const [logger, level] of changes) {
    if (logger !== '' && logger !== LOGGER) return refused('unknown logger name');
    if (!isLevel(level)) return refused('unknown logger level');
    levels.push(level);
  }
  for (const level of levels) context.actions.setLogLevel(level);
  return text(`active loggers:\n  ${LOGGER}: ${context.logLevel()}\n\n`);
}
