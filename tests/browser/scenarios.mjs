// What a person does in the UI, one scenario a call: node scenarios.mjs NAME '{"ui": …, "chromium": …, …}'.
// Prints what was seen as one JSON document; the tests judge it.
import { join } from 'node:path';
import { artifact, decide, Form, message, openApproval, openForm, state, submit, withPage } from './ui.mjs';

const given = JSON.parse(process.argv[3]);

/** A picture of a page or a part of one, where a folder for pictures is given. */
const picture = (name, options) => async (shown) => {
  if (given.pictures) await shown.screenshot({ path: join(given.pictures, `${name}.png`), ...options });
};

/** The fields that a source of every type has. */
async function place(form, name) {
  await form.write('Name', name);
  await form.write('Workspace', '10001');
  await form.write('Region', 'cn-hangzhou');
}

async function whoAndWhere(form, groups = ['S_res_group_1001_1']) {
  await form.add('Users', 'carol');
  await form.add('Groups', 'data-platform');
  for (const group of groups) await form.add('Resource groups', group);
}

/** The form of an OSS source without a sync task, filled in. */
async function oss(page, name) {
  const form = await openForm(page, given.ui, 'onboard');
  await form.tab('Data source', 'Object Storage Service');
  await place(form, name);
  await form.write('Bucket', 'shop-orders');
  await form.write('Prefix', 'orders/');
  return form;
}

const scenarios = {
  /** An OSS source with a sync task: first with nothing filled in, then with all of it. */
  async ossWithSyncTask(page) {
    const form = await openForm(page, given.ui, 'onboard');
    await form.tab('Data source', 'Object Storage Service');
    await form.tab('Sync task', 'Sync task');
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    await form.field('Bucket').getByText("'bucket' is a required property").waitFor();
    const problems = {};
    for (const [label, nth] of [['Name', 0], ['Bucket', 0], ['Resource groups', 0], ['Folder', 0], ['Table', 0]]) {
      problems[label] = await form.field(label, nth).getByText('is a required property').allTextContents();
    }
    await picture('form-errors', { fullPage: true })(page);
    await place(form, 'oss_orders');
    await form.write('Bucket', 'shop-orders');
    await form.write('Prefix', 'orders/');
    await whoAndWhere(form, ['S_res_group_1001_1', 'S_res_group_1001_2']);
    await form.write('Name', 'oss_orders_to_ods', 1);
    await form.write('Folder', 'Business Flow/onboarding/Data Integration');
    await form.write('Resource group', 'S_res_group_1001_1');
    await form.add('Object', 'orders/dt=${bizdate}/*.csv');
    for (const [index, type] of ['long', 'string', 'double'].entries()) {
      await form.add('Column');
      await form.write('Index', String(index), index);
      await form.choose('Type', type, 1 + index);
    }
    await form.switch('Skip header');
    await form.write('Data source', 'odps_first', 1);
    await form.write('Table', 'ods_orders');
    for (const column of ['id', 'customer', 'amount']) await form.add('Column', column, 1);
    await form.write('Partition', 'pt=${bizdate}');
    await form.tab('Schedule', 'Schedule');
    await form.write('Cron', '00 30 05 * * ?');
    await submit(page);
    const ended = await state(page);
    await picture('run')(page);
    const name = await page.locator('main').getByText(/^onboard oss_orders/).first().textContent();
    const told = await message(page);
    const artifacts = {};
    for (const kind of ['summary', 'connectivity', 'plan', 'progress']) {
      artifacts[kind] = await artifact(page, `onboarding-${kind}-10001-oss-orders`, picture(kind, { fullPage: true }));
    }
    await page.getByRole('tab', { name: 'Task Runs' }).click();
    await page.getByText(/run sync task of oss_orders in PROD/).first().waitFor();
    return { problems, ended, name, told, artifacts };
  },

  /** A LogHub source without a sync task. */
  async loghub(page) {
    const form = await openForm(page, given.ui, 'onboard');
    await form.tab('Data source', 'LogHub (Simple Log Service)');
    await place(form, 'sls_access_log');
    await form.write('Project', 'shop-logs');
    await form.add('Logstores', 'access-log');
    await whoAndWhere(form);
    await submit(page);
    const ended = await state(page);
    return { ended, told: await message(page) };
  },

  /** A run that waits for an approval: the plan is read, and its hash given. */
  async approved(page) {
    const form = await oss(page, 'oss_approved');
    await whoAndWhere(form);
    await form.field('Data source').evaluate((field) => field.scrollIntoView());
    await picture('form')(page);
    await form.switch('Ask for approval');
    await submit(page);
    const dialog = await openApproval(page);
    const plan = await dialog.innerText();
    const hash = await dialog.locator('code').first().textContent();
    await picture('approval')(dialog);
    const answer = new Form(dialog);
    await answer.choose('Decision', 'approve');
    await answer.write('Hash of the plan', hash);
    await decide(page, dialog);
    const ended = await state(page);
    return { plan, hash, ended, told: await message(page) };
  },

  /** The same, rejected. */
  async rejected(page) {
    const form = await oss(page, 'oss_rejected');
    await whoAndWhere(form);
    await form.switch('Ask for approval');
    await submit(page);
    const dialog = await openApproval(page);
    const answer = new Form(dialog);
    await answer.choose('Decision', 'reject');
    await answer.write('Reason', 'too many grantees');
    await decide(page, dialog);
    const ended = await state(page);
    return { ended, told: await message(page) };
  },

  /** A file of data sources, with a report in a folder. */
  async bulk(page) {
    const form = await openForm(page, given.ui, 'bulk-onboard');
    await form.write('CSV file', 'examples/bulk/sources.csv');
    await form.tab('Defaults of columns', 'YAML file');
    await form.write('Defaults of columns', 'examples/bulk/defaults.yaml');
    await form.tab('Folder for reports', 'Folder');
    await form.write('Folder for reports', given.reports);
    await picture('bulk-form', { fullPage: true })(page);
    await submit(page);
    const ended = await state(page);
    const told = await message(page);
    const artifacts = {};
    for (const [kind, start] of [['summary', 'bulk-0'], ['rows', 'bulk-rows'], ['progress', 'bulk-progress']]) {
      artifacts[kind] = await artifact(page, `onboarding-${start}`, picture(`bulk-${kind}`, { fullPage: true }));
    }
    return { ended, told, artifacts };
  },

  /** A run that cannot succeed: a grantee does not exist. */
  async failing(page) {
    const form = await oss(page, 'oss_failing');
    await form.add('Users', 'nobody');
    await form.add('Resource groups', 'S_res_group_1001_1');
    await submit(page);
    const ended = await state(page);
    const told = await message(page);
    await picture('failing')(page);
    const summary = await artifact(page, 'onboarding-summary-10001-oss-failing', picture('failing-summary'));
    await page.getByRole('tab', { name: 'Logs' }).click();
    await page.getByText(/Finished in state Failed/).first().waitFor();
    const logs = await page.locator('main').innerText();
    return { ended, told, summary, logs };
  },
};

console.log(JSON.stringify(await withPage(given.chromium, scenarios[process.argv[2]])));
