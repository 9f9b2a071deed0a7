import { describe } from 'node:test';
import { testDockerd } from './dockerd.ts';
import { testKubectl } from './kubectl.ts';
import { dockerd, findProgram, kubectl } from './real-programs.ts';

// Part of `make test-parsers`: what is generated for clients, read by programs that are asked to look and do nothing else.
// It takes neither Go nor root.

const daemon = findProgram(dockerd);
if (daemon !== undefined) describe('dockerd --validate', () => testDockerd(daemon));
const client = findProgram(kubectl);
if (client !== undefined) describe('kubectl', () => testKubectl(client));
