/** What is hard to see on the page that a browser shows: text of little contrast, and what sticks out to the side. */

/** To be asked in the page. WCAG 2 asks for a contrast of 4.5 between text and what is behind it. */
export const faintTexts = `(() => {
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([red, green, blue]) => {
    const linear = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
  }
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor)
      if (colour.length === 3 || colour[3] > 0) return colour
    }
    return [255, 255, 255]
  }
  const faint = []
  for (const element of document.body.querySelectorAll('*')) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '')
    if (!says && element.tagName !== 'INPUT') continue
    const [text, ground] = [channels(getComputedStyle(element).color), behind(element)].map(luminance)
    const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05)
    if (contrast < 4.5) faint.push(element.tagName + ' ' + element.textContent.trim().slice(0, 40) + ': ' + contrast.toFixed(2))
  }
  return faint
})()`

/** Elements that reach over the right edge of the window, while no one has moved it there. */
export const wideElements = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth <= clientWidth) return []
  const wide = [...document.body.querySelectorAll('*')].filter((each) => each.getBoundingClientRect().right > clientWidth)
  return ['page ' + scrollWidth + ' > ' + clientWidth, ...wide.map((each) => each.tagName + ' ' + each.textContent.trim().slice(0, 40))]
})()`
