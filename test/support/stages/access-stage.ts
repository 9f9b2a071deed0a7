import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hashSync } from 'bcryptjs';
import type { AuthConfig } from '../../../src/config/config.ts';
import { tmpDir } from '../disk/tmp.ts';

/** A file of names and passwords: written at the least cost, as tests check thousands. */
export interface PasswordFile {
  readonly path: string;
  /** Writes it anew with these passwords by name. */
  write(passwords: Readonly<Record<string, string>>): void;
  /** What `auth` of the configuration is with it. */
  auth(rules?: AuthConfig['rules']): AuthConfig;
}

/** Writes a file of names and passwords, which goes with the test. */
export function writePasswords(t: TestContext, passwords: Readonly<Record<string, string>>): PasswordFile {
  const path = join(tmpDir(t), 'htpasswd');
  const write: PasswordFile['write'] = (given) =>
    writeFileSync(
      path,
      Object.entries(given)
        .map(([name, password]) => `${name}:${hashSync(password, 4)}\n`)
        .join(''),
    );
  write(passwords);
  return { path, write, auth: (rules) => ({ htpasswd: path, rules, rememberForMs: 300_000 }) };
}

/** The header of a login. */
export function basic(name: string, password: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}
