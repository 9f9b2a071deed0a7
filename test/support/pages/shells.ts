import { execFileSync } from 'node:child_process';

/** The shells of this machine: what runs on all of them is no bash. */
export const shells = [['sh'], ['dash'], ['busybox', 'sh']].filter(([shell = '', ...args]) => {
  try {
    execFileSync(shell, [...args, '-c', 'exit 0']);
    return true;
  } catch {
    return false;
  }
});
