// Reports in a real browser: nothing is fetched, nothing goes wrong, everything can be
// read, on a phone and on a desk, by day and by night, with scripts off.
//
// `run` makes the pages: `sample.html` from committed results, so that it always
// looks the same, and `table-1.html` from a run of Table I with everything in it.
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';

const here = dirname(fileURLToPath(import.meta.url));
const pages = join(here, '../../target/browser');
const WIDTHS = { phone: 390, desktop: 1280 };
const SECTIONS = ['published', 'cells', 'spread', 'distributions', 'time', 'provenance'];

const address = (name) => pathToFileURL(join(pages, `${name}.html`)).href;

/** Opens a page and writes down all that it asks for and complains about. */
async function open(page, name, width) {
  const asked = [];
  const said = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  await page.setViewportSize({ width, height: 900 });
  await page.goto(address(name));
  await page.waitForLoadState('networkidle');
  return { asked, said };
}

for (const name of ['sample', 'table-1']) {
  for (const [device, width] of Object.entries(WIDTHS)) {
    test(`${name} on a ${device} asks for nothing and fits`, async ({ page }) => {
      const { asked, said } = await open(page, name, width);
      // Unfolded and scrolled to its end, so that nothing waits to be asked for.
      await page.$$eval('details', (all) => all.forEach((one) => { one.open = true; }));
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
      await page.waitForTimeout(300);
      expect(asked).toEqual([address(name)]);
      expect(said).toEqual([]);
      // Tables scroll by themselves, the page does not.
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      expect(await page.locator('section').evaluateAll((all) => all.map((one) => one.id)))
        .toEqual(SECTIONS);
      // A chart that drew nothing has axes only; every one of ours has a coloured mark.
      const empty = await page.locator('figure svg').evaluateAll((all) =>
        all.filter((svg) => {
          const paints = [...svg.querySelectorAll('polyline, polygon, rect, circle')]
            .flatMap((mark) => [mark.getAttribute('stroke'), mark.getAttribute('fill')]);
          const coloured = paints.filter((paint) =>
            paint && !['none', '#DDDDDD', '#888888'].includes(paint));
          return coloured.length === 0;
        }).map((svg) => svg.getAttribute('aria-label')));
      expect(empty).toEqual([]);
      // Text in charts can be read: a phone must not shrink it.
      const small = await page.locator('figure svg').evaluateAll((all) =>
        all.filter((svg) => svg.getBoundingClientRect().width > 0)
          .filter((svg) => {
            const shrunk = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
            return [...svg.querySelectorAll('text')]
              .some((text) => parseFloat(text.getAttribute('font-size')) * shrunk < 9);
          }).length);
      expect(small).toBe(0);
    });
  }
}

test('Table I is less than 2 MB', () => {
  expect(statSync(join(pages, 'table-1.html')).size).toBeLessThan(2_000_000);
  expect(readFileSync(join(pages, 'table-1.html'), 'utf8')).toContain('Escra, Table I');
});

for (const scheme of ['light', 'dark']) {
  test(`anybody can read it, ${scheme}`, async ({ browser }) => {
    const context = await browser.newContext({ colorScheme: scheme });
    const page = await context.newPage();
    await open(page, 'sample', WIDTHS.desktop);
    await page.$$eval('details', (all) => all.forEach((one) => { one.open = true; }));
    const { violations } = await new AxeBuilder({ page })
      .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'])
      .analyze();
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} (${nodes.length})`);
    expect(told).toEqual([]);
    await context.close();
  });
}

test('the index of several runs leads to each of them', async ({ page }) => {
  const { said } = await open(page, 'runs/index', WIDTHS.phone);
  expect(said).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(WIDTHS.phone);
  await page.locator('.runs a').first().click();
  await expect(page.locator('section#cells')).toBeVisible();
});

for (const [device, scheme] of [['phone', 'dark'], ['desktop', 'light']]) {
  // Whatever is seen here needs no script: none may run.
  test(`looks as it did on a ${device}, ${scheme}`, async ({ browser }) => {
    const context = await browser.newContext({ javaScriptEnabled: false, colorScheme: scheme });
    const page = await context.newPage();
    await open(page, 'sample', WIDTHS[device]);
    for (const part of ['header', ...SECTIONS.slice(0, -1).map((id) => `section#${id}`)]) {
      const name = part.replace('section#', '');
      const element = page.locator(part);
      await expect(element).toBeVisible();
      await expect(element).toHaveScreenshot(`${name}-${device}-${scheme}.png`);
    }
    // Where numbers come from changes with each commit: it is read, not pictured.
    await expect(page.locator('section#provenance')).toContainText('SHA-256');
    await context.close();
  });
}
