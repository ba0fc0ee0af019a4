// Prefect's UI as a person uses it: pages, forms, runs. Every wait is for something that is seen, none for time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PATIENCE = 60_000; // ms: the machine may be busy
const ANSWER = 150_000; // ms: SQLite waits a minute for each of two locks before it gives up
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const ENDED = /^(Completed|Failed|Crashed|Cancelled|Rejected|Expired)$/;

/** Open a browser with an empty profile, hand its page to `use`, and close it whatever happens. */
export async function withPage(executablePath, use) {
  const profile = await mkdtemp(join(tmpdir(), 'browser-tests-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath, args: FLAGS, headless: true, viewport: { width: 1400, height: 1000 }, timezoneId: 'UTC',
  });
  try {
    const page = context.pages()[0];
    page.setDefaultTimeout(PATIENCE);
    return await use(page);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** A form that Prefect draws. Fields are found by their labels; `nth` tells equal ones apart, from 0. */
export class Form {
  constructor(root) {
    this.root = root;
    this.page = root.page ? root.page() : root;
  }

  /** The part of the form that a label heads: field, description, errors. */
  field(label, nth = 0) {
    const whole = new RegExp(`^${label.replace(/[.()]/g, '\\$&')}( \\(Optional\\))?$`);
    return this.root.locator('label').filter({ hasText: whole }).nth(nth).locator('xpath=../../..');
  }

  async write(label, text, nth = 0) {
    await this.field(label, nth).locator('textarea, input').first().fill(text);
  }

  async choose(label, option, nth = 0) {
    await this.field(label, nth).getByRole('button', { name: `Select ${label}` }).first().click();
    await this.page.getByRole('option', { name: option, exact: true }).click();
  }

  async tab(label, title, nth = 0) {
    await this.field(label, nth).getByRole('tab', { name: title, exact: true }).first().click();
  }

  async switch(label, nth = 0) {
    await this.field(label, nth).getByRole('switch').click();
  }

  /** One more item of a list; `text` when it is a single text. */
  async add(label, text, nth = 0) {
    const list = this.field(label, nth);
    await list.getByRole('button', { name: 'Add item' }).last().click();
    if (text !== undefined) await list.locator('textarea, input').last().fill(text);
  }
}

/** From the list of deployments to the form of a custom run. */
export async function openForm(page, base, deployment) {
  await page.goto(base);
  await page.getByRole('link', { name: 'Deployments' }).click();
  await page.getByRole('link', { name: deployment, exact: true }).click();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Custom run' }).click();
  await page.getByText('Parameters', { exact: true }).waitFor();
  return new Form(page);
}

/**
 * Submit the form; the page of the new run. A form that was refused before is looked at again first and sent with the next
 * press; and SQLite may be locked by another write: then a person submits again.
 */
export async function submit(page) {
  const button = page.getByRole('button', { name: 'Submit', exact: true });
  const problems = page.locator('main p.text-destructive, main ul.text-destructive');
  const locked = page.getByText('Unknown error while creating flow run.');
  const created = page.getByRole('button', { name: 'View run' });
  const refused = async (cause) => new Error(`refused: ${(await problems.allTextContents()).join('; ')}`, { cause });
  if (await problems.count()) {
    await button.click();
    await problems.first().waitFor({ state: 'hidden' }).catch(async (error) => { throw await refused(error); });
  }
  for (let tries = 0; ; tries++) {
    await button.click();
    await created.or(locked).or(problems).first().waitFor({ timeout: ANSWER });
    if (await created.isVisible()) break;
    if (await problems.count()) throw await refused();
    if (tries === 20) throw new Error('the server did not take the run in twenty tries');
    await gone(page, locked);
  }
  await created.click();
  await page.waitForURL(/\/runs\/flow-run\//);
  // Until it is drawn, the page before is seen, with the states of other runs.
  await page.getByRole('tab', { name: 'Task Runs' }).waitFor();
}

/** Wait until messages have gone. They stay under the mouse, which is where the button was. */
async function gone(page, messages) {
  await page.mouse.move(0, 0);
  await messages.first().waitFor({ state: 'hidden' });
}

/** Wait until the open run has a state; reload as a person does who wants to be sure. */
export async function state(page, wanted = ENDED) {
  const badge = page.locator('[data-slot=badge]').filter({ hasText: wanted }).first();
  await badge.waitFor();
  return (await badge.textContent()).trim();
}

/** What the details of the open run say of its state. */
export async function message(page) {
  await page.reload();
  await page.getByRole('tab', { name: 'Details' }).click();
  const label = page.getByText('State Message', { exact: true });
  return (await label.locator('xpath=..').innerText()).replace('State Message', '').trim();
}

/** The menu at the right of a run's name, Resume: the dialog with plan and form. */
export async function openApproval(page) {
  await state(page, /^Paused$/);
  await page.locator('button[aria-haspopup=menu]').first().click();
  await page.getByRole('menuitem', { name: 'Resume' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Decision', { exact: true }).waitFor();
  await dialog.getByRole('heading', { name: /^Plan for / }).waitFor();
  return dialog;
}

/** Send the form of an approval; again while SQLite is locked by another write. */
export async function decide(page, dialog) {
  const resumed = page.getByText('Flow run resumed');
  const failed = page.locator('[data-sonner-toast][data-type=error]');
  for (let tries = 0; ; tries++) {
    await dialog.getByRole('button', { name: 'Resume', exact: true }).click();
    await resumed.or(failed).first().waitFor({ timeout: ANSWER });
    if (await resumed.count()) return;
    if (tries === 20) throw new Error('the server did not take the answer in twenty tries');
    await gone(page, failed);
  }
}

/** Open the newest artifact of the open run whose key starts so; its text, links and tables. Goes back to the run. */
export async function artifact(page, start, picture) {
  const run = page.url();
  await page.getByRole('tab', { name: 'Artifacts' }).click();
  await page.locator(`a[href*="/artifacts/key/${start}"]`).first().click();
  await page.locator('main a[href*="/artifacts/artifact/"]').first().click();
  const panel = page.getByRole('tabpanel').first();
  await page.waitForFunction(
    (one) => one.innerText.replace('Show Raw Data', '').trim() !== '', await panel.elementHandle(),
  );
  await picture?.(page);
  const found = {
    text: await panel.innerText(),
    links: await panel.getByRole('link').evaluateAll((all) => all.map((one) => one.href)),
    tables: await panel.locator('table').count(),
  };
  await page.goto(run);
  return found;
}
