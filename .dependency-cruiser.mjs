// The import rules of docs/architecture.md. Package manifests and tsconfig references hold the same between packages;
// what only this page can hold is the order of the rooms inside an app.

/** Each package of ours, and the packages of ours that it may import. */
const MAY_IMPORT = {
  'packages/contract': [],
  'packages/http': ['packages/contract'],
  'packages/event-stream': ['packages/contract', 'packages/http'],
  'packages/download-tracker': ['packages/contract'],
  'packages/transfer': ['packages/contract', 'packages/http'],
  'packages/jobs': ['packages/contract', 'packages/event-stream'],
  'packages/daemon': ['packages/contract', 'packages/event-stream'],
  'packages/hub-protocol': [],
  'packages/testing': ['packages/hub-protocol'],
  'apps/hive': [
    'packages/contract',
    'packages/http',
    'packages/event-stream',
    'packages/download-tracker',
    'packages/hub-protocol',
    'packages/transfer',
    'packages/jobs',
    'packages/daemon',
  ],
  'apps/queen': ['packages/contract', 'packages/event-stream', 'packages/jobs', 'packages/daemon'],
  'apps/keeper': ['packages/contract', 'packages/event-stream'],
};

/** The rooms of each app whose files import no other room, except the shared ones. */
const LEAVES = {
  'apps/hive': ['selection', 'sources', 'store', 'fleet'],
  'apps/queen': ['hives', 'placement', 'limits', 'state'],
};

/** Leaves that the other leaves of the app may import: pure functions, no I/O. */
const SHARED_LEAVES = { 'apps/hive': ['selection'], 'apps/queen': [] };

const manifestRules = Object.entries(MAY_IMPORT).map(([home, allowed]) => ({
  name: `imports-of-${home.replace('/', '-')}`,
  comment: `${home} imports only ${allowed.join(', ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^${home}/src/` },
  to: { path: '^(packages|apps)/', pathNot: `^(${[home, ...allowed].join('|')})/` },
}));

const leafRules = Object.entries(LEAVES).flatMap(([app, leaves]) =>
  leaves.map((leaf) => {
    const shared = SHARED_LEAVES[app];
    const allowed = shared.includes(leaf) ? [leaf] : [leaf, ...shared];
    return {
      name: `leaf-${app.replace('/', '-')}-${leaf}`,
      comment: `${leaf} is a leaf: of its app's rooms it imports only ${allowed.join(' and ')}`,
      severity: 'error',
      from: { path: `^${app}/src/${leaf}/` },
      to: { path: `^${app}/src/[^/]+/`, pathNot: `^${app}/src/(${allowed.join('|')})/` },
    };
  }),
);

const options = {
  doNotFollow: { path: 'node_modules' },
  exclude: { path: '(^|/)(dist|node_modules)/' },
  tsPreCompilationDeps: true,
  enhancedResolveOptions: {
    exportsFields: ['exports'],
    conditionNames: ['@rbee/source', 'import', 'types', 'default'],
  },
};

export default {
  forbidden: [
    ...manifestRules,
    ...leafRules,
    {
      name: 'no-circles',
      comment: 'types may refer to each other, code may not',
      severity: 'error',
      from: { path: '/src/' },
      to: { circular: true, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-app-and-routes-see-routes',
      comment: 'main -> app -> routes -> the use-case folder -> leaf folders',
      severity: 'error',
      from: { path: '^apps/[^/]+/src/', pathNot: '^apps/[^/]+/src/(app\\.ts|routes/)' },
      to: { path: '^apps/[^/]+/src/routes/' },
    },
    {
      name: 'no-deep-imports',
      comment: 'a package is used through what its manifest exports',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: { path: '^packages/[^/]+/(src|dist)/(?!(?:index|plain)\\.)', pathNot: '^packages/$2/' },
    },
    {
      name: 'tests-are-not-imported',
      severity: 'error',
      from: { path: '/src/' },
      to: { path: '/test/|^packages/testing/', pathNot: '^packages/testing/src/' },
    },
  ],
  options,
};
