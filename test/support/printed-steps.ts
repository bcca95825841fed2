// Runs the commands that a document prints, and compares what they print with what it says.

import { execFile } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The root of the repository. */
export const ROOT = resolve(import.meta.dirname, '../..');

const run = promisify(execFile);
const MARK = '@@end of step@@';

/** Commands with the output printed under them. */
export type PrintedStep = { readonly commands: string; readonly output: string };

/** Where the service listens in place of the addresses that the documents print. */
export type Ports = { readonly grpc: number; readonly http: number };

/** The steps of a chapter of a document, named by its path from the root. */
export function stepsOf(document: string, chapter: string): readonly PrintedStep[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const begin = text.indexOf(`\n## ${chapter}\n`);
  if (begin < 0) throw new Error(`${document} has no chapter ${chapter}`);
  const end = text.indexOf('\n## ', begin + 1);
  const body = text.slice(begin, end < 0 ? undefined : end);
  return [...body.matchAll(/```sh\n(?<commands>.*?)```\n```(?:text|json)\n(?<output>.*?)```/gs)].map(
    (match) => ({
      commands: match.groups?.['commands'] ?? '',
      output: match.groups?.['output'] ?? '',
    }),
  );
}

/** Puts what is named at hand in `folder`, as if it were the repository. */
export function linkRepository(folder: string, names: readonly string[]): void {
  for (const name of names) symlinkSync(join(ROOT, name), join(folder, name));
}

/** What each step prints, run one after the other in one shell. Errors: when the shell fails, or takes longer than `timeoutMs`. */
export async function outputsOf(
  steps: readonly PrintedStep[],
  folder: string,
  { grpc, http }: Ports,
  { timeoutMs, environment = {} }: { timeoutMs: number; environment?: Readonly<Record<string, string>> },
): Promise<readonly string[]> {
  const script = steps.map(({ commands }) => `${commands}\necho; echo '${MARK}'\n`).join('');
  const local = script.replaceAll(':50051', `:${grpc}`).replaceAll(':8080', `:${http}`);
  const { stdout } = await run('bash', ['-c', local], {
    cwd: folder,
    timeout: timeoutMs,
    env: { ...process.env, ...environment },
  });
  return stdout.split(MARK).slice(0, -1);
}

/** The text without what differs from run to run. */
export function settled(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('npm warn'))
    .join('\n')
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<access token>')
    .replace(/lk(rt|ak|mf|dt)_[\w-]{20,}/g, '<lk$1>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>')
    .replace(/lkrt_\w{3}$/gm, 'lkrt_…')
    .replace(/secret=[A-Z2-7]{32}/g, 'secret=…')
    .replace(/"(userAgent|requestId)":( ?)"[^"]*"/g, '"$1":$2"…"')
    .trim();
}
