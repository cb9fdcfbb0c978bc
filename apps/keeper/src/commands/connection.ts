import { exitCodes } from '../errors/exit-codes.ts';
import { createCommand } from './create-command.ts';

export const login = createCommand<[url: string, options: { readonly name?: string }]>({
  name: 'login',
  description: "store a queen's address and token, and use it from now on",
  examples: ['login http://gpu-server:7833', 'login --name lab https://queen.example.com'],
  define(command) {
    command
      .argument('<url>', 'URL of the queen')
      .option('--name <name>', 'name for --queen (default: from the address)');
  },
  async run(session, url, { name }) {
    const [{ login: logIn }, { loginText }] = await Promise.all([
      import('../operations/login.ts'),
      import('../render/login-text.ts'),
    ]);
    const { lostComments, ...stored } = await logIn(session, { url, name, token: session.givenToken });
    session.renderer.result(stored, () => loginText(stored));
    if (lostComments) session.renderer.note(`the comments in ${stored.file} could not be kept`);
    return exitCodes.done;
  },
});

export const open = createCommand({
  name: 'open',
  description: "open the queen's page in the browser, or print its address",
  examples: ['open', 'open --queen lab'],
  async run(session) {
    const [{ findPage, openPage }] = await Promise.all([import('../operations/open-page.ts')]);
    const page = await session.withQueen(findPage, { needsQueen: 'open' });
    session.renderer.result(page, () => `${page.url}\n`);
    if (page.shows === 'api')
      session.renderer.note('this queen has no page for people: this is the reference of its API');
    if (session.io.stdout.isTTY) openPage(page.url, session.io.env);
    return exitCodes.done;
  },
});
