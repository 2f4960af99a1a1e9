// Opens a page in Chromium by playwright-core, as tests/diagnosis/browser.py asks for it on standard input.
const { chromium } = require("playwright-core");
const wanted = JSON.parse(require("fs").readFileSync(0, "utf-8"));

(async () => {
  const browser = await chromium.launch({ executablePath: wanted.browser, args: ["--no-sandbox"] });
  const settings = { viewport: { width: wanted.width, height: 900 }, colorScheme: wanted.dark ? "dark" : "light" };
  const page = await browser.newPage(settings);
  await page.emulateMedia({ media: wanted.printed ? "print" : "screen" });
  const said = [],
    asked = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(error.message));
  page.on("dialog", (dialog) => {
    said.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(wanted.page);
  const answer = await page.evaluate(wanted.script);
  const [body, window] = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]");
  if (wanted.picture) await page.screenshot({ path: wanted.picture });
  await browser.close();
  process.stdout.write(JSON.stringify({ answer, said, asked, body, window }));
})();
