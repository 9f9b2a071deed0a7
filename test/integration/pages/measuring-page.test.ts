import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadTestConfig } from '../../support/command/config-sources.ts';
import { makeImage } from '../../support/content/images.ts';
import { commandsOf } from '../../support/pages/commands-of.ts';
import { architecture, setUpMeasureStage } from '../../support/stages/measure-stage.ts';

const page = readFileSync(new URL('../../../docs/measuring.md', import.meta.url), 'utf8');

// Figures are another each time, and so is what they mean, and how long their bars are.
const comparable = (text: string) =>
  text
    .replace(/127\.0\.0\.1:\d+/g, 'CACHE')
    .replace(/[\d.]+ (?:[MG]bit|MB)\/s/g, 'RATE')
    .replace(/[\d.]+ s\b/g, 'TIME')
    .replace(/#+ */g, 'BAR ')
    .replace(/ {2,}/g, ' ')
    .replace(/\? (?:yes|no): .*/g, '? VERDICT')
    .trimEnd();

test('every command of docs/measuring.md can be run as it is written, and prints what it says', async (t) => {
  const { run, upstream, cache } = await setUpMeasureStage(t);
  const image = makeImage({ seed: 'page', layers: [280_000, 410_000, 1_200], architecture });
  upstream.content.push('library/nginx', image, '1.27');
  const blocks = [...page.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const commands = blocks.flatMap(commandsOf);
  assert.equal(commands.length, 2);
  for (const { command, printed } of commands) {
    const [program, ...args] = command.replace('127.0.0.1:5000', `127.0.0.1:${cache.port}`).split(' ');
    assert.equal(program, 'entrepot');
    const { out, errors, exitCode } = await run(args);
    assert.deepEqual([exitCode, errors], [0, ''], command);
    assert.equal(comparable(out), comparable(printed), command);
  }
});

test('the other commands of docs/measuring.md are ones that the program takes', async (t) => {
  const { run } = await setUpMeasureStage(t);
  const [, shell = ''] = /```sh\n([\s\S]*?)```/.exec(page) ?? [];
  const commands = shell.split('\n').filter((line) => line.includes('entrepot '));
  assert.ok(commands.length >= 4, shell);
  for (const command of commands) {
    const words = command.replace(/ *#.*/, '').split(' ');
    const at = words.indexOf('entrepot');
    // Everything before the program's name is its environment.
    for (const word of words.slice(0, at)) assert.match(word, /^(?:CACHE_HOST|REPO|TAG|PULLS|PRUNE_BETWEEN)=\S+$/);
    // What comes after is read whole before anybody asks for help.
    const { exitCode, out, errors } = await run([...words.slice(at + 1), '--help']);
    assert.deepEqual([exitCode, errors], [0, ''], command);
    for (const [flag] of command.matchAll(/--[a-z-]+/g)) assert.ok(out.includes(flag), `${command}: ${flag}`);
  }
});

test('the configuration of docs/measuring.md can be used', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  assert.deepEqual(loadTestConfig({ yaml }).config.throughput, { maxBytes: 1e9, maxConcurrent: 8 });
});
