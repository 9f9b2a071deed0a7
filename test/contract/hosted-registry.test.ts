import { openTestHosted } from '../support/stages/test-hosted.ts';
import { pushContract } from './push-contract.ts';

pushContract(
  'the hosted registry',
  async (t) => {
    const { registry, close } = await openTestHosted();
    t.after(close);
    return registry;
  },
  { abortsBodies: false },
);
