import { MemoryPushable } from '../support/memory/memory-pushable.ts';
import { pushContract } from './push-contract.ts';

pushContract('the memory registry', async () => new MemoryPushable());
