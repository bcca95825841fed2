// Holds the architecture: import rules, file names, the opening comment and the length of every file in src.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Rule {
  /** Folders of src (or `gen`) it may import, beside itself; `*` is everything but test. */
  readonly folders: readonly string[];
  /** Packages, by name or as a scope (`@grpc/*`); `*` is every package. */
  readonly packages: readonly string[];
  /** Whether node: modules are allowed. */
  readonly builtins: boolean;
}

const GRPC = ['@bufbuild/protobuf', '@connectrpc/*', '@grpc/*'];
const ANYTHING: Rule = { folders: ['*'], packages: ['*'], builtins: true };

/** The longest matching path counts. A folder without a row is an offence: a new folder starts with a decision. */
const MATRIX: Readonly<Record<string, Rule>> = {
  'revocation-table': { folders: [], packages: [], builtins: false },
  domain: { folders: ['revocation-table'], packages: [], builtins: false },
  storage: { folders: ['domain'], packages: [], builtins: true },
  'storage/postgres': {
    folders: ['domain', 'storage'],
    packages: ['@mikro-orm/*', '@electric-sql/*', 'kysely', 'pg', 'uuid'],
    builtins: true,
  },
  'storage/redis': {
    folders: ['domain', 'storage'],
    packages: ['ioredis'],
    builtins: true,
  },
  'storage/memory': { folders: ['domain', 'storage'], packages: ['lru-cache'], builtins: true },
  crypto: {
    folders: ['domain'],
    packages: ['argon2', 'bcrypt', 'jose', 'otplib', '@otplib/*', 'lru-cache', 'uuid', '@zxcvbn-ts/*'],
    builtins: true,
  },
  mail: { folders: ['domain'], packages: ['nodemailer', 'email-addresses', 'escape-goat'], builtins: true },
  'breached-passwords': { folders: ['domain'], packages: [], builtins: true },
  federation: { folders: ['domain'], packages: ['jose', 'lru-cache'], builtins: true },
  edge: {
    folders: ['domain', 'edge/transport', 'gen', 'telemetry'],
    packages: [...GRPC, 'lru-cache', 'qr', 'pngjs'],
    builtins: true,
  },
  'edge/transport': { folders: [], packages: [], builtins: true },
  verifier: {
    folders: ['gen', 'revocation-table'],
    packages: [...GRPC, 'jose', 'lru-cache'],
    builtins: true,
  },
  telemetry: { folders: ['domain'], packages: ['pino', '@opentelemetry/*'], builtins: true },
  jobs: { folders: ['domain', 'telemetry'], packages: [], builtins: true },
  console: { folders: [], packages: [], builtins: true },
  cli: ANYTHING,
  'compile-cache.ts': { folders: [], packages: [], builtins: true },
  'config.ts': { folders: ['config', 'domain'], packages: ['zod'], builtins: true },
  config: { folders: ['domain'], packages: ['zod'], builtins: true },
  'app.ts': ANYTHING,
  wiring: ANYTHING,
  'service.ts': ANYTHING,
  'listeners.ts': ANYTHING,
  'dependency-checks.ts': ANYTHING,
  'data-dir.ts': { folders: ['domain', 'crypto', 'storage', 'config.ts'], packages: [], builtins: true },
  'master-keyring.ts': { folders: ['crypto', 'config.ts', 'data-dir.ts'], packages: [], builtins: false },
  'main.ts': ANYTHING,
};

const MAX_LINES = 400;
const MAX_FILES = 20;
const ROOT = resolve(import.meta.dirname, '../..');
const SRC = join(ROOT, 'src');

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** The imports, re-exports and dynamic imports of a source text, in order. */
function importsOf(source: string): Import[] {
  const patterns = [
    /^[ \t]*(?:import|export)\b[^'";]*?\bfrom\s*(['"])(?<specifier>[^'"\n]+)\1/gm,
    /^[ \t]*import\s*(['"])(?<specifier>[^'"\n]+)\1/gm,
    /^(?![ \t]*(?:\/\/|\*)).*\bimport\s*\(\s*(['"`])(?<specifier>[^'"`\n]+)\1/gm,
  ];
  return patterns
    .flatMap((pattern) =>
      [...source.matchAll(pattern)].map((match) => ({
        specifier: match.groups?.['specifier'] ?? '',
        line: source.slice(0, match.index + match[0].length).split('\n').length,
      })),
    )
    .toSorted((a, b) => a.line - b.line);
}

/** The row of a file, by its path below src: the longest prefix that the matrix names. */
function areaOf(path: string): string | undefined {
  const parts = path.split('/');
  for (let length = parts.length; length > 0; length -= 1) {
    const area = parts.slice(0, length).join('/');
    if (MATRIX[area] !== undefined) return area;
  }
  return undefined;
}

/** Why the file (below src) may not import this, or undefined when it may. */
function offence(path: string, specifier: string): string | undefined {
  const area = areaOf(path);
  const rule = area === undefined ? undefined : MATRIX[area];
  if (area === undefined || rule === undefined) return 'has no row in the matrix: add one';
  if (isBuiltin(specifier))
    return rule.builtins ? undefined : `${area} imports no node: module (${specifier})`;
  if (!specifier.startsWith('.')) {
    return allowsPackage(rule, specifier) ? undefined : `${area} does not import the package ${specifier}`;
  }
  const target = posix(relative(ROOT, resolve(dirname(join(SRC, path)), specifier)));
  const top = target.split('/')[0];
  if (top === 'test') return `src never imports test (${specifier})`;
  if (rule.folders.includes('*')) return undefined;
  if (top === 'gen')
    return rule.folders.includes('gen') ? undefined : `${area} does not import gen (${specifier})`;
  const targetArea = top === 'src' ? areaOf(target.slice('src/'.length)) : undefined;
  if (targetArea !== undefined && [area, ...rule.folders].includes(targetArea)) return undefined;
  return `${area} does not import ${targetArea ?? target} (${specifier})`;
}

function allowsPackage(rule: Rule, specifier: string): boolean {
  // What reads input from outside may check its shape with zod; whoever has no package at all has no such input.
  const packages = rule.packages.length === 0 ? [] : [...rule.packages, 'zod'];
  return packages.some(
    (name) =>
      name === '*' ||
      specifier === name ||
      specifier.startsWith(name.endsWith('/*') ? name.slice(0, -1) : `${name}/`),
  );
}

function posix(path: string): string {
  return path.split(sep).join('/');
}

const files = existsSync(SRC)
  ? readdirSync(SRC, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => posix(relative(SRC, join(entry.parentPath, entry.name))))
      .toSorted()
  : [];
const sources = files
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, text: readFileSync(join(SRC, path), 'utf8') }));

describe('src', () => {
  it('imports only what the matrix allows', () => {
    const offenders = sources.flatMap(({ path, text }) =>
      importsOf(text).flatMap(({ specifier, line }) => {
        const why = offence(path, specifier);
        return why === undefined ? [] : [`src/${path}:${line} ${why}`];
      }),
    );
    expect(offenders).toEqual([]);
  });

  it('has a row in the matrix for every file', () => {
    const strays = sources.filter(({ path }) => areaOf(path) === undefined).map(({ path }) => `src/${path}`);
    expect(strays).toEqual([]);
  });

  it('uses kebab-case file and folder names', () => {
    const part = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
    expect(files.filter((path) => !path.split('/').every((name) => part.test(name)))).toEqual([]);
  });

  it('begins every file with a comment that says what it is for', () => {
    const opening = /^(?:#![^\n]*\n)?(?:\/\/ \S.{8,}|\/\*\*?\s+(?:\*\s+)?\S.{8,})/;
    expect(sources.filter(({ text }) => !opening.test(text)).map(({ path }) => `src/${path}:1`)).toEqual([]);
  });

  it(`has no file of more than ${MAX_LINES} lines`, () => {
    const lines = (text: string): number => text.trimEnd().split('\n').length;
    const long = sources.filter(({ text }) => lines(text) > MAX_LINES);
    expect(long.map(({ path, text }) => `src/${path} has ${lines(text)}`)).toEqual([]);
  });

  it(`has no folder of more than ${MAX_FILES} files`, () => {
    const counts = new Map<string, number>();
    for (const path of files) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    expect([...counts].filter(([, count]) => count > MAX_FILES)).toEqual([]);
  });
});

describe('the rules themselves', () => {
  it.each([
    ['domain/session/session.ts', '../account/account.ts', undefined],
    ['domain/session/session.ts', 'node:crypto', 'domain imports no node: module (node:crypto)'],
    ['domain/revocation/revocation-index.ts', '../../revocation-table/revocation-table.ts', undefined],
    ['verifier/revocation-index.ts', '../revocation-table/revocation-table.ts', undefined],
    [
      'revocation-table/x.ts',
      '../domain/clock.ts',
      'revocation-table does not import domain (../domain/clock.ts)',
    ],
    ['domain/session/session.ts', 'jose', 'domain does not import the package jose'],
    ['domain/clock.ts', '../crypto/hash.ts', 'domain does not import crypto (../crypto/hash.ts)'],
    ['storage/redis/feed.ts', 'ioredis', undefined],
    ['storage/redis/feed.ts', 'pg', 'storage/redis does not import the package pg'],
    [
      'storage/redis/feed.ts',
      '../postgres/rows.ts',
      'storage/redis does not import storage/postgres (../postgres/rows.ts)',
    ],
    ['crypto/hash.ts', '../mail/mailer.ts', 'crypto does not import mail (../mail/mailer.ts)'],
    ['edge/operations/login.ts', '../../../gen/latchkey/v1/token_pb.ts', undefined],
    [
      'edge/operations/login.ts',
      '../../storage/memory/x.ts',
      'edge does not import storage/memory (../../storage/memory/x.ts)',
    ],
    ['verifier/feed.ts', '../domain/clock.ts', 'verifier does not import domain (../domain/clock.ts)'],
    ['app.ts', './storage/redis/feed.ts', undefined],
    ['app.ts', '../test/support/fake-clock.ts', 'src never imports test (../test/support/fake-clock.ts)'],
    ['edge/x.ts', '../app.ts', 'edge does not import app.ts (../app.ts)'],
    ['edge/transport/x.ts', '../grpc/port.ts', 'edge/transport does not import edge (../grpc/port.ts)'],
    ['stray/x.ts', './y.ts', 'has no row in the matrix: add one'],
  ])('%s importing %s: %s', (path, specifier, expected) => {
    expect(offence(path, specifier)).toBe(expected);
  });

  it('finds every form of import with its line', () => {
    const source = [
      '// what this is for',
      "import { a } from 'a';",
      'import type {',
      '  B,',
      "} from 'b';",
      "import 'c';",
      "export * from 'd';",
      "const e = await import('e');",
      "// import x from 'comment';",
      "type F = import('f').F;",
    ].join('\n');
    expect(importsOf(source).map(({ specifier, line }) => `${specifier}:${line}`)).toEqual([
      'a:2',
      'b:5',
      'c:6',
      'd:7',
      'e:8',
      'f:10',
    ]);
  });
});
