// A file of its own, so that importing it dynamically does not load every schema in the bundle.
export { RbeeError } from '@rbee/contract';
