/**
 * Writes docs/reference/cli.md from the table of commands: the same text that `weft <command> --help` is made of. A test
 * holds the page against the table.
 *
 *   node packages/cli/scripts/reference.ts
 */
import { writeFileSync } from 'node:fs';
import type { Command } from '../src/command.ts';
import { COMMANDS, loadCommand } from '../src/commands.ts';
import type { Flag } from '../src/flags.ts';

export const PAGE = new URL('../../../docs/reference/cli.md', import.meta.url);

const HEAD = `# Commands

<!-- Written by packages/cli/scripts/reference.ts; change the commands, then run it. -->

\`weft\` is \`./weft\` in a checkout. \`weft <command> --help\` prints what stands here.

Durations are a number and a unit: \`500ms\`, \`30s\`, \`5m\`, \`24h\`, \`7d\`. Addresses are \`<host>:<port>\`; port 0 takes any free one.
A flag takes precedence over the environment variable of the same meaning ([environment.md](environment.md)).
Results go to standard output; news, logs of sidecars and errors that a person reads go to standard error.
`;

/** Text inside a cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

function row(name: string, flag: Flag): string {
  const value = flag.type === 'boolean' ? '' : ` ${flag.value ?? '<value>'}`;
  const short = flag.short ? `${code(`-${flag.short}`)}, ` : '';
  const fallback = flag.default === undefined ? '' : code(flag.default);
  return `| ${short}${code(`--${name}${value}`)} | ${cell(flag.help)} | ${fallback} |`;
}

function flagsOf({ flags }: Command): string {
  const entries = Object.entries(flags);
  if (entries.length === 0) return 'No flags.\n';
  const rows = entries.map(([name, flag]) => row(name, flag));
  return ['| flag | what it does | default |', '| --- | --- | --- |', ...rows].join('\n').concat('\n');
}

/** What the commands print for --help that read their flags themselves. */
const OWN_HELP: ReadonlySet<string> = new Set(['proxy']);

async function ownHelp(command: Command): Promise<string> {
  const lines: string[] = [];
  const terminal = { out: (text: string) => void lines.push(text), err: () => undefined, isTty: false };
  await command.run({ flags: {}, positionals: [], rest: ['--help'], terminal, env: {}, cwd: '.' });
  return `\`\`\`\n${lines.join('\n')}\n\`\`\`\n`;
}

async function section(name: string, command: Command): Promise<string> {
  if (OWN_HELP.has(name)) return [`## ${name}`, await ownHelp(command)].join('\n\n');
  const usage = `weft ${name} ${command.usage}`.trim();
  const description = command.description.replaceAll('<', '&lt;');
  return [`## ${name}`, `\`\`\`\n${usage}\n\`\`\``, description, flagsOf(command)].join('\n\n');
}

/** The page as the code has it now. */
export async function referencePage(): Promise<string> {
  const index: string[] = [];
  const sections: string[] = [];
  for (const [name, { summary }] of Object.entries(COMMANDS)) {
    const command = await loadCommand(name);
    if (!command) continue;
    index.push(`| [${name}](#${name}) | ${summary} |`);
    sections.push(await section(name, command));
  }
  return [HEAD, ['| command | what it does |', '| --- | --- |', ...index].join('\n').concat('\n'), ...sections].join(
    '\n',
  );
}

if (import.meta.main) writeFileSync(PAGE, await referencePage());
