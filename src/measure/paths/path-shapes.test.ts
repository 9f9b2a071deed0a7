import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capacityOf, type PathFigure, pathShapes } from './path-shapes.ts';

const [single, parallel, reverse] = pathShapes as [PathFigure['shape'], PathFigure['shape'], PathFigure['shape']];
const path = (figures: PathFigure[]) => ({ by: 'iperf3' as const, figures, notes: [] });

test('what a path carries is measured the way that blobs come, where it could be', () => {
  const up = { shape: parallel, result: { bytesPerSecond: 900 } };
  assert.equal(capacityOf(path([up, { shape: reverse, result: { bytesPerSecond: 500 } }])), 500);
  assert.equal(capacityOf(path([up, { shape: reverse, result: { failure: 'refused' } }])), 900);
  assert.equal(capacityOf(path([{ shape: single, result: { bytesPerSecond: 300 } }, up])), 900);
  assert.equal(capacityOf(path([{ shape: single, result: { failure: 'refused' } }])), undefined);
  assert.equal(capacityOf(path([])), undefined);
});
