/**
 * The contract of the bus as tests: every implementation passes it, also one that is written elsewhere. Call it in a
 * file that `node --test` runs.
 */
import { suite } from 'node:test';
import { callErrorSuite, callSuite, eventSuite, serveSuite } from './contract-suite/calls.ts';
import type { OpenGround } from './contract-suite/ground.ts';
import { lifeSuite } from './contract-suite/life.ts';
import { logReadSuite, logSuite, logWatchSuite } from './contract-suite/log.ts';
import {
  stateConflictSuite,
  stateLimitSuite,
  stateSuite,
  stateWatchersSuite,
  stateWatchSuite,
} from './contract-suite/state.ts';

export type { Ground, OpenGround } from './contract-suite/ground.ts';

/** Runs the suite on the buses that `open` gives, one for each test. */
export function busContractSuite(name: string, open: OpenGround): void {
  void suite(`the bus contract on ${name}`, () => {
    stateSuite(open);
    stateConflictSuite(open);
    stateLimitSuite(open);
    stateWatchSuite(open);
    stateWatchersSuite(open);
    logSuite(open);
    logReadSuite(open);
    logWatchSuite(open);
    callSuite(open);
    callErrorSuite(open);
    serveSuite(open);
    eventSuite(open);
    lifeSuite(open);
  });
}
