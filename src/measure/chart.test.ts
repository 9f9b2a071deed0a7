import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderChart } from './chart.ts';

const bars = [
  { label: 'upstream', value: 12, text: '12.0 s' },
  { label: 'cache', value: 3.05, text: '3.1 s' },
  { label: 'none', value: 0.001, text: '0.0 s' },
];

test('bars are as long as their values, and what is very small can be seen', () => {
  assert.equal(
    renderChart(bars, 'letters'),
    [
      `  upstream  ${'#'.repeat(40)}  12.0 s`,
      `  cache     ${'#'.repeat(10).padEnd(40)}  3.1 s`,
      `  none      ${'#'.padEnd(40)}  0.0 s`,
      '',
    ].join('\n'),
  );
});

test('on a terminal, bars are drawn to an eighth of a column', () => {
  assert.equal(
    renderChart(bars, 'blocks'),
    [
      `  upstream  ${'█'.repeat(40)}  12.0 s`,
      `  cache     ${`${'█'.repeat(10)}▏`.padEnd(40)}  3.1 s`,
      `  none      ${'▏'.padEnd(40)}  0.0 s`,
      '',
    ].join('\n'),
  );
});

test('a chart of nothing is empty, and one of zeros has its bars', () => {
  assert.equal(renderChart([], 'blocks'), '');
  assert.equal(renderChart([{ label: 'a', value: 0, text: '0' }], 'letters'), `  a  ${'#'.padEnd(40)}  0\n`);
});
