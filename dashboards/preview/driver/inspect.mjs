/**
 * Looks the drawn page over: texts that are cut off, links, and all text. Runs inside the browser, so it can use nothing
 * from outside of itself.
 */
export function inspectPage() {
  const tolerance = 1; // widths are rounded to whole pixels

  const panelOf = (node) => {
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    return element.closest('[data-viz-panel-key]');
  };
  const panelKey = (node) => panelOf(node)?.getAttribute('data-viz-panel-key') ?? '';

  const isVisible = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  /** Whether an element around the text hides a part of it. */
  const isCut = (text, panel) => {
    const range = document.createRange();
    range.selectNodeContents(text);
    const inner = range.getBoundingClientRect();
    // The box of a text is higher than its letters where the line is tight, so only a large part below an edge counts.
    const spare = inner.height * 0.3;
    const scrolls = panel.getAttribute('data-plugin-id') === 'text' ? ['auto', 'scroll'] : [];
    for (let element = text.parentElement; element && element !== panel; element = element.parentElement) {
      const style = getComputedStyle(element);
      const outer = element.getBoundingClientRect();
      if (outer.width <= 1) {
        return false; // a text for screen readers only
      }
      const hides = (overflow) => ['hidden', 'clip', ...scrolls].includes(overflow);
      if (hides(style.overflowX) && (inner.right > outer.right + tolerance || inner.left < outer.left - tolerance)) {
        return true;
      }
      // An ellipsis stands before the padding, so the text can end inside of the element and be cut all the same.
      if (style.textOverflow === 'ellipsis' && element.scrollWidth > element.clientWidth + tolerance) {
        return true;
      }
      if (hides(style.overflowY) && (inner.bottom > outer.bottom + spare || inner.top < outer.top - spare)) {
        return true;
      }
      if (['auto', 'scroll'].includes(style.overflowX) || ['auto', 'scroll'].includes(style.overflowY)) {
        return false; // what is beyond the edge can be scrolled to
      }
    }
    return false;
  };

  const texts = [];
  const cut = [];
  const cutTextPanels = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const text = node.textContent.trim();
    if (!text || ['SCRIPT', 'STYLE'].includes(node.parentElement.tagName) || !isVisible(node.parentElement)) {
      continue;
    }
    texts.push({ panel: panelKey(node), text });
    const panel = panelOf(node);
    // A table's own cells may be cut: readers can widen a column, and some texts have no end.
    const isCell = node.parentElement.closest('[role="gridcell"]');
    if (panel && !isCell && !cutTextPanels.has(panel) && isCut(node, panel)) {
      cut.push({ panel: panelKey(node), text });
      // One line is enough to say that a text panel is too small.
      if (panel.getAttribute('data-plugin-id') === 'text') {
        cutTextPanels.add(panel);
      }
    }
  }
  for (const element of document.querySelectorAll('[data-cut-names]')) {
    for (const text of element.getAttribute('data-cut-names').split('\n')) {
      cut.push({ panel: panelKey(element), text });
    }
  }

  const links = [...document.querySelectorAll('a[href]')].map((element) => ({
    panel: panelKey(element),
    href: element.getAttribute('href'),
  }));
  for (const element of document.querySelectorAll('[data-hrefs]')) {
    for (const href of element.getAttribute('data-hrefs').split('\n')) {
      links.push({ panel: panelKey(element), href });
    }
  }
  return { texts, cut, links };
}

/** The height of the whole page. Runs inside the browser, too. */
export function pageHeight() {
  return Math.ceil(document.getElementById('root').getBoundingClientRect().height);
}
