// A report is looked at as a user opens it: from disk, in the system's Chromium.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  outputDir: '../../target/browser/failures',
  snapshotPathTemplate: 'screenshots/{arg}{ext}',
  // A picture that is not there is a failure, here as in CI.
  updateSnapshots: 'none',
  forbidOnly: true,
  retries: 0,
  // A whole page of charts takes a busy machine a while.
  timeout: 120_000,
  workers: 2,
  reporter: 'line',
  expect: {
    toHaveScreenshot: {
      // Versions of the browser differ in how they smooth edges, not in where they are: a
      // curve of another colour is more than this.
      maxDiffPixels: 400,
      threshold: 0.25,
      animations: 'disabled',
      stylePath: 'picture.css',
    },
  },
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
      ],
    },
  },
});
