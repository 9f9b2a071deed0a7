import { exitCodeHelp, exitCodes } from '../src/cli/exit-codes.ts';
import { errorHelp } from '../src/oci/error-help.ts';
import { type ErrorCode, errorStatus } from '../src/oci/errors.ts';
import { table } from './table.ts';

/** The page docs/errors.md, from the tables of codes. */
export function errorsPage(): string {
  const codes = Object.keys(errorStatus) as ErrorCode[];
  const rows = codes.map((code) => {
    const { cause, remedy, otherStatuses = {} } = errorHelp[code];
    const others = Object.entries(otherStatuses).map(([status, when]) => `${status}: ${when}`);
    return [`\`${code}\``, [String(errorStatus[code]), ...others].join('; '), cause, remedy];
  });
  const exits = Object.entries(exitCodes).map(([name, code]) => {
    const { cause, remedy } = exitCodeHelp[name as keyof typeof exitCodes];
    return [String(code), cause, remedy];
  });
  return `<!-- Written by \`npm run docs\` from src/oci/error-help.ts and src/cli/exit-codes.ts; do not edit. -->

# Errors

## Answers

What is not answered well has the distribution specification's JSON: \`{"errors": [{"code": …, "message": …}]}\`. The
code is one of these, the message says more of the one case; it is in the line of the request in the log, too.

${table(['Code', 'Status', 'Why', 'What to do'], rows)}

In the log there is 499, too: the client left before its answer was whole. The proxy door refuses a CONNECT in plain words,
with 403 (it may not be, see [proxy.md](proxy.md)), 502 or 504 (the host cannot be reached), and 407 (a login is wanted).

## Exit codes

${table(['Code', 'Why', 'What to do'], exits)}
`;
}
