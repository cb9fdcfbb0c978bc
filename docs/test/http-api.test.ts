import { describe, expect, it } from 'vitest';
import {
  doctorCheckSchema,
  downloadEventSchemas,
  fleetDoctorSchema,
  fleetRepoSchema,
  foundModelsSchema,
  ggufSchema,
  HIVE_CHECKS,
  hiveDoctorSchema,
  hiveReadySchema,
  hiveRoutes,
  hiveSchema,
  modelDetailSchema,
  modelListSchema,
  modelPlanSchema,
  modelRemovedSchema,
  modelSchema,
  modelsPrunedSchema,
  modelVerifiedSchema,
  operationSchema,
  queenOperationSchema,
  queenRoutes,
  type Route,
  repoSchema,
} from '../../packages/contract/src/index.ts';
import { fieldsOf, type SchemaNode } from './schema-text.ts';
import { cell, readPage, tableUnder } from './support.ts';

const page = await readPage('docs/reference/http-api.md');

const documentedFields = (heading: string) =>
  tableUnder(page, heading).rows.map((row) => [cell(row, 'Field'), cell(row, 'Type')]);

function routesOf(routes: Readonly<Record<string, Route>>): string[][] {
  return Object.values(routes).map(({ method, path, query, stream, success, missing }) => [
    method,
    path,
    Object.keys(query?.shape ?? {}).join(', '),
    stream ? 'stream' : String(success?.status),
    missing ?? '',
  ]);
}

const fieldsOfJob = fieldsOf(hiveRoutes.getJob.success.body);
const jobBody = hiveRoutes.getJob.success.body.shape;
const downloadBody = hiveRoutes.getDownload.success.body;

describe('docs/reference/http-api.md', () => {
  it.each([
    ['Routes of a hive', hiveRoutes],
    ['Routes of a queen', queenRoutes],
  ])('lists the %s', (heading, routes) => {
    const documented = tableUnder(page, heading).rows.map((row) =>
      ['Method', 'Path', 'Query', 'Answer', 'Unknown id'].map((name) => cell(row, name)),
    );
    expect(documented).toHaveLength(Object.keys(routes).length);
    expect(documented.sort()).toEqual(routesOf(routes).sort());
  });

  it.each<[string, SchemaNode]>([
    ['What is answered', hiveRoutes.createJob.success.body],
    ['A job', hiveRoutes.getJob.success.body],
    ['A download of a job', jobBody.downloads.element],
    ['A failure', jobBody.error.unwrap()],
    ['Cancel', hiveRoutes.cancelJob.success.body],
    ['Cancel a download', hiveRoutes.cancelDownload.success.body],
    ['A receipt', hiveRoutes.cancelJob.success.body.shape.downloads.element],
    ['A list of models', modelListSchema],
    ['A model', modelSchema],
    ['A partial', modelListSchema.shape.partials.element],
    ['A problem', modelListSchema.shape.problems.element],
    ['A file of a model', modelDetailSchema.shape.file_list.element],
    ['A GGUF header', ggufSchema],
    ['A plan', modelPlanSchema],
    ['A file of a plan', modelPlanSchema.shape.files.element],
    ['A removal', modelRemovedSchema],
    ['A verification', modelVerifiedSchema],
    ['A verified model', modelVerifiedSchema.shape.models.element],
    ['A fault', modelVerifiedSchema.shape.models.element.shape.problems.element],
    ['A prune', modelsPrunedSchema],
    ['A thing that goes', modelsPrunedSchema.shape.removed.element],
    ['A hive', hiveSchema],
    ['A hive that says it is there', hiveReadySchema],
    ['Remove a hive', queenRoutes.removeHive.success.body],
    ['The downloads of a fleet', queenRoutes.listDownloads.success.body],
    ['Change a download', hiveRoutes.patchDownload.body],
    ['Settings at run time', hiveRoutes.getSettings.success.body],
    ['Hive info', hiveRoutes.info.success.body],
    ['Queen info', queenRoutes.info.success.body],
    ['The doctor of a hive', hiveDoctorSchema],
    ['A check', doctorCheckSchema],
    ['The doctor of a fleet', fleetDoctorSchema],
    ['An examined hive', fleetDoctorSchema.shape.hives.element],
    ['Limits of a fleet', queenRoutes.getSettings.success.body],
    ['The models of a fleet', queenRoutes.listModels.success.body],
    ['A repo', repoSchema],
    ['A choice', repoSchema.shape.choices.element],
    ['A file of a repo', repoSchema.shape.files.element],
    ['A choice at a hive', fleetRepoSchema.shape.choices.element.shape.hives.element],
    ['A found model', foundModelsSchema.shape.models.element],
  ])('has every field of "%s" with its type', (heading, schema) => {
    expect(documentedFields(heading)).toEqual(fieldsOf(schema));
  });

  it('has what a queen adds to a repo', () => {
    const own = new Set(fieldsOf(repoSchema).map(([field]) => field));
    expect(documentedFields('The repo of a fleet')).toEqual(
      fieldsOf(fleetRepoSchema).filter(([field]) => !own.has(field)),
    );
  });

  it('lists what a hive checks, in the order of its answer', () => {
    expect(tableUnder(page, 'What is checked').rows.map((row) => cell(row, 'Check'))).toEqual([...HIVE_CHECKS]);
  });

  it('has a section for each operation, with every field', () => {
    for (const operation of operationSchema.options) {
      const [name = ''] = [...operation.shape.operation.values];
      expect(documentedFields(name)).toEqual(fieldsOf(operation));
    }
    const documented = page.headings.filter((heading) => /^model_\w+$/.test(heading));
    expect(documented).toEqual(operationSchema.options.flatMap(({ shape }) => [...shape.operation.values]));
  });

  it('has what a queen adds to each operation', () => {
    for (const [index, operation] of queenOperationSchema.options.entries()) {
      const own = new Set(Object.keys(operationSchema.options[index]?.shape ?? {}));
      const added = fieldsOf(operation).filter(([field]) => !own.has(field));
      expect(documentedFields('On a queen')).toEqual(added);
    }
  });

  it('has the fields that a model has and a list has not', () => {
    expect([...fieldsOf(modelSchema), ...documentedFields('A model with its files')]).toEqual(
      fieldsOf(modelDetailSchema),
    );
  });

  it('has the fields that a download has and its progress has not', () => {
    const progress = fieldsOf(downloadEventSchemas.progress);
    const all = fieldsOf(downloadBody);
    expect([...progress, ...documentedFields('A download')]).toEqual(all);
    const queens = fieldsOf(queenRoutes.getDownload.success.body).map(([field]) => field);
    expect(queens).toEqual([...all.map(([field]) => field), 'orchestrator_id']);
  });

  it('has the query of what is removed from the history', () => {
    const documented = tableUnder(page, 'Remove from the history').rows.map((row) => [
      cell(row, 'Query'),
      cell(row, 'Type'),
    ]);
    expect(documented).toEqual(fieldsOf(hiveRoutes.clearDownloads.query));
  });

  it('takes every setting that it answers at run time, and no other', () => {
    const namesIn = (fields: readonly (readonly (string | undefined)[])[]) => fields.map(([field]) => field);
    const ofHive = namesIn(documentedFields('Settings at run time'));
    expect(namesIn(fieldsOf(hiveRoutes.patchSettings.body))).toEqual(ofHive);
    expect(namesIn(fieldsOf(queenRoutes.patchHive.body))).toEqual(ofHive);
    const ofQueen = namesIn(documentedFields('Limits of a fleet'));
    expect(namesIn(fieldsOf(queenRoutes.patchSettings.body))).toEqual(ofQueen);
  });

  it('has the queries of the pages of downloads', () => {
    const documented = tableUnder(page, 'Pages').rows.map((row) => [cell(row, 'Query'), cell(row, 'Type')]);
    expect(documented).toEqual(fieldsOf(hiveRoutes.listDownloads.query));
    expect(documented).toEqual(fieldsOf(queenRoutes.listDownloads.query));
  });

  it('names every state of a job in the order of the schema', () => {
    const state = fieldsOfJob.find(([field]) => field === 'state')?.[1];
    expect(documentedFields('A job').find(([field]) => field === 'state')?.[1]).toBe(state);
    expect(state).toMatch(/^queued or running or /);
  });
});
