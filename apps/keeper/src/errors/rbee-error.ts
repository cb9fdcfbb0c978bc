// By itself, so that who loads it when it is needed does not load every schema of the contract in the bundled program.
export { RbeeError } from '@rbee/contract';
