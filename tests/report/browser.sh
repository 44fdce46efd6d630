#!/bin/sh
# Loads a report in a real browser, at desktop and phone width: every figure is drawn, nothing is wider than the window, no
# error is logged, and nothing is asked of the network.
# usage: REPORT=report.html browser.sh PAPER WORK
set -eu
browser=
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    [ -n "$browser" ] || browser=$(command -v $name || true)
done
if [ -z "$browser" ]; then
    echo "skipped: no browser is installed; Debian's chromium-headless-shell is enough"
    exit 77
fi
command -v gnuplot >/dev/null || { echo "skipped: gnuplot is not installed, so there are no figures to look at"; exit 77; }
rm -rf "$2"
mkdir -p "$2"
cd "$2"
if grep -nE "(src|href)=[\"'](https?:)?//" "$REPORT" || grep -n "@import" "$REPORT"; then
    echo "the report asks the network for something"
    exit 1
fi
# The page itself has no program in it and allows none; this copy has one that looks at it, and all else is as forbidden.
grep -q "content=\"default-src 'none'; style-src" "$REPORT" || { echo "the report does not forbid scripts"; exit 1; }
sed "s,</body>,,; s,</html>,,; s/default-src 'none'/&; script-src 'unsafe-inline'/" "$REPORT" >page.html
cat >>page.html <<'PAGE'
<pre id="seen"></pre><script>
const wrong = [], figures = document.querySelectorAll('figure');
for (const figure of figures) {
  const svg = figure.querySelector('svg'), box = svg && svg.getBoundingClientRect();
  if (!svg) wrong.push(figure.id + ' has no drawing');
  else if (box.width < 200 || box.height < 80) wrong.push(figure.id + ' is ' + box.width + ' x ' + box.height);
  else {
    let shapes = 0;
    for (const shape of svg.querySelectorAll('path, polygon, rect, image, use, circle')) {
      const size = shape.getBoundingClientRect();
      shapes += size.width + size.height > 0;
    }
    if (shapes < 10) wrong.push(figure.id + ' has only ' + shapes + ' shapes that can be seen');
    if (svg.querySelectorAll('text').length < 4) wrong.push(figure.id + ' has no labels');
  }
}
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
if (new Set(ids).size !== ids.length) wrong.push('an id stands twice');
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) wrong.push('the page is ' + root.scrollWidth + ' wide in a window of ' + root.clientWidth);
document.getElementById('seen').textContent = 'SEEN ' + figures.length + ' figures; wrong: [' + wrong.join('; ') + ']';
</script></body></html>
PAGE
for size in 1280,900 375,800; do
    "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr --user-data-dir="$PWD/profile" \
        --window-size=$size --dump-dom "file://$PWD/page.html" >dom.html 2>log || { cat log; exit 1; }
    seen=$(grep -o "SEEN [0-9]* figures; wrong: \[[^]]*\]" dom.html | head -n 1)
    echo "$size: $seen"
    case $seen in
        "SEEN 0 figures"* | "") echo "no figure was seen"; exit 1 ;;
        *"wrong: []") ;;
        *) exit 1 ;;
    esac
    if grep -E "CONSOLE|Uncaught|ERR_" log; then
        echo "the browser logged an error"
        exit 1
    fi
done
