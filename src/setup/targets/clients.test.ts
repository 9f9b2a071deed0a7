import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setupViews } from '../../../test/support/command/setup-views.ts';
import { planText } from '../script/plan-text.ts';
import { SetupError, type SetupShape, type SetupTarget } from '../target.ts';
import { setupTargets } from '../targets.ts';

const golden = new URL('../../../test/golden/setup/', import.meta.url);

/** What a person reads: the plan, or why there is none. */
function textOf(target: SetupTarget, kind: string, shape: SetupShape | undefined): string {
  const view = setupViews[kind];
  assert.ok(view);
  try {
    return planText(target, target.plan({ ...view, shape }), () => undefined);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return `${error.code}: ${error.message}\n`;
  }
}

for (const target of setupTargets) {
  test(`${target.name}: what it says in every shape and for every kind of cache is as it was looked at`, () => {
    const shapes = [undefined, ...target.shapes];
    const parts = Object.keys(setupViews).flatMap((kind) =>
      shapes.map((shape) => `######## ${kind}, ${shape ?? 'the best shape'}\n${textOf(target, kind, shape)}`),
    );
    const file = new URL(`${target.name}.txt`, golden);
    const text = parts.join('\n');
    if (process.env['ENTREPOT_WRITE_GOLDEN']) writeFileSync(file, text);
    assert.ok(existsSync(file), file.pathname);
    assert.equal(text, readFileSync(file, 'utf8'));
  });

  test(`${target.name}: a file of its own result stays as it is`, () => {
    for (const view of Object.values(setupViews)) {
      for (const shape of [undefined, ...target.shapes]) {
        const files = filesOf(target, { ...view, shape });
        for (const file of files) assert.equal(file.render(file.render(undefined)), file.render(undefined), file.path);
      }
    }
  });

  test(`${target.name}: a shape that it does not understand is refused`, () => {
    for (const shape of ['ns', 'alias', 'vhost'] as const) {
      if (target.shapes.includes(shape)) continue;
      const view = { ...setupViews['secure']!, shape };
      assert.throws(() => target.plan(view), { name: 'SetupError', code: 'UNKNOWN_SHAPE' });
    }
  });
}

function filesOf(target: SetupTarget, view: Parameters<SetupTarget['plan']>[0]) {
  try {
    return target.plan(view).files;
  } catch (error) {
    if (error instanceof SetupError) return [];
    throw error;
  }
}
