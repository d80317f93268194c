/** What becomes of each dependency, and what is refused before anything happens. */
import { describe, expect, it } from 'vitest'
import { workplace } from './testing/submission.ts'

const base = ['--conf', 'spark.kubernetes.container.image=spark:4.1.2', '--class', 'A']

async function plan(argv: readonly string[], files: readonly string[], distribution?: string) {
  await using place = await workplace()
  for (const file of ['app.jar', 'main.py', ...files]) await place.file(file)
  return (await place.submission([...base, ...argv], { distribution })).plan
}

describe('a plan', () => {
  it('keeps the order of a list, whatever its entries come from', async () => {
    const { jars, staged, fetched } = await plan(
      ['--jars', 's3a://b/1.jar,lib/2.jar,local:///opt/3.jar,gs://b/4.jar,https://h/x/5.jar?a=b', 'app.jar'],
      ['lib/2.jar'],
    )
    expect(jars).toEqual([
      'local:///var/spark-data/spark-jars/1.jar',
      'local:///var/spark-data/spark-jars/2.jar',
      'local:///opt/3.jar',
      'gs://b/4.jar',
      'local:///var/spark-data/spark-jars/5.jar',
      'local:///var/spark-data/spark-jars/app.jar',
    ])
    expect(staged.map(({ as }) => as)).toEqual(['spark-jars/app.jar', 'spark-jars/2.jar'])
    expect(fetched).toEqual([
      { uri: 's3a://b/1.jar', to: 'spark-jars/1.jar' },
      { uri: 'https://h/x/5.jar?a=b', to: 'spark-jars/5.jar' },
    ])
  })

  it('serves everything from the driver where the executors localize nothing', async () => {
    const { jars, application, executorsLocalize } = await plan(['--jars', 'b.jar', 'app.jar'], ['b.jar'], 'driver')
    expect([jars, application, executorsLocalize]).toEqual([
      ['file:///var/spark-data/spark-jars/b.jar', 'file:///var/spark-data/spark-jars/app.jar'],
      'file:///var/spark-data/spark-jars/app.jar',
      false,
    ])
  })

  it('gives files, modules and archives to the driver to serve, also those of the image', async () => {
    const { files, pyFiles, archives, executorsLocalize } = await plan(
      [
        '--files',
        'a.txt,local:///opt/b.txt',
        '--py-files',
        'm.py',
        '--archives',
        'e.tgz#env,local:///opt/f.zip',
        'main.py',
      ],
      ['a.txt', 'm.py', 'e.tgz'],
    )
    expect(files).toEqual(['file:///var/spark-data/spark-files/a.txt', 'file:///opt/b.txt'])
    expect(pyFiles).toEqual(['file:///var/spark-data/py-files/m.py'])
    expect(archives).toEqual(['file:///var/spark-data/archives/env/e.tgz#env', 'file:///opt/f.zip'])
    expect(executorsLocalize).toBe(false)
  })

  it('gives two files of one name the new names that were asked for', async () => {
    const { files } = await plan(['--files', 'x/a.txt#one.txt,y/a.txt#two.txt', 'app.jar'], ['x/a.txt', 'y/a.txt'])
    expect(files).toEqual(['file:///var/spark-data/spark-files/one.txt', 'file:///var/spark-data/spark-files/two.txt'])
  })

  it('takes a pattern for the files that match it, in the order of their names', async () => {
    const { jars } = await plan(
      ['--jars', 'lib/*.jar', 'app.jar'],
      ['lib/b.jar', 'lib/a.jar', 'lib/c.txt', 'lib/d.jar/x'],
    )
    expect(jars.map((uri) => uri.slice(uri.lastIndexOf('/') + 1))).toEqual(['a.jar', 'b.jar', 'app.jar'])
  })

  it('stages once what is named twice', async () => {
    const { jars, staged } = await plan(['--jars', './app.jar,b.jar,b.jar', 'app.jar'], ['b.jar'])
    expect([jars.length, staged.length]).toEqual([2, 2])
  })

  it('stages nothing when everything is in the image', async () => {
    const { staged, fetched, application } = await plan(['local:///opt/app.jar'], [])
    expect([staged, fetched, application]).toEqual([[], [], 'local:///opt/app.jar'])
  })
})

describe('before anything happens, it is refused that', () => {
  it.each([
    [
      'two jars have one name',
      ['--jars', 'x/u.jar,y/u.jar', 'app.jar'],
      'equal-names',
      /"x\/u\.jar" \(--jars\) and "y\/u\.jar" \(--jars\) are both called u\.jar/,
    ],
    [
      'a jar and a file have one name',
      ['--jars', 'x/u.jar', '--files', 'y/u.jar', 'app.jar'],
      'equal-names',
      /both called u\.jar/,
    ],
    [
      'a file is called like the application',
      ['--files', 'x/app.jar', 'app.jar'],
      'equal-names',
      /both called app\.jar/,
    ],
    [
      'a remote name equals a local one',
      ['--jars', 's3a://b/u.jar,x/u.jar', 'app.jar'],
      'equal-names',
      /s3a:\/\/b\/u\.jar/,
    ],
    [
      'two names are one after normalisation',
      ['--files', 'x/e\u0301.txt,y/\u00e9.txt', 'app.jar'],
      'equal-names',
      /both called/,
    ],
    [
      'a file is missing',
      ['--jars', 'no.jar', 'app.jar'],
      'dependency-missing',
      /there is no file .*no\.jar" \(--jars\)/,
    ],
    [
      'a pattern matches nothing',
      ['--jars', 'no/*.jar', 'app.jar'],
      'dependency-missing',
      /no file matches "no\/\*\.jar" \(--jars\)/,
    ],
    ['the application is missing', ['no.jar'], 'dependency-missing', /no\.jar" \(the application\)/],
    [
      'a directory stands for a jar',
      ['--jars', 'x', 'app.jar'],
      'dependency-is-directory',
      /is a directory, and Spark takes files/,
    ],
    [
      'an address names no file',
      ['--jars', 'https://host/libs/', 'app.jar'],
      'dependency-is-directory',
      /names no file/,
    ],
    ['a name has #', ['--jars', 'x/a#b.jar', 'app.jar'], 'dependency-name', /a new name/],
    ['a name has *', ['--jars', 'x/a*.jar', 'app.jar'], 'dependency-name', /a pattern/],
    ['a name has [ ]', ['--files', 'x/a[1].txt', 'app.jar'], 'dependency-name', /a pattern/],
    ['a name has { }', ['--files', 'x/a{1}.txt', 'app.jar'], 'dependency-name', /a pattern/],
    ['a name has a blank', ['--files', 'x/a b.txt', 'app.jar'], 'dependency-name', /a URI/],
    ['a name has a comma', ['x/a,b.jar'], 'dependency-name', /by commas/],
    ['a remote name has ?', ['--files', 's3a://b/a?.txt', 'app.jar'], 'dependency-name', /a pattern/],
    ['a new name has a directory', ['--files', 'x/u.jar#d/e', 'app.jar'], 'dependency-name', /no directory/],
    ['a pattern gets one name', ['--files', 'x/*.jar#one', 'app.jar'], 'alias-of-many', /one name/],
    [
      'a jar lies in the working directory',
      ['--jars', 'local:///opt/spark/work-dir/a.jar', 'app.jar'],
      'inside-working-directory',
      /inside the working directory/,
    ],
    ['there is no class', ['--class-is-missing'], 'main-class-missing', /--class is missing/],
    ['the application is a shell', ['pyspark-shell'], 'dependency-missing', /./],
    ['the application is no program', ['local:///opt/app.war'], 'unknown-application', /no \.jar, \.py or \.R file/],
  ] as const)('%s', async (_, argv, code, message) => {
    await using place = await workplace()
    for (const file of ['app.jar', 'x/u.jar', 'y/u.jar', 'x/v.jar', 'x/app.jar', 'x/e\u0301.txt', 'y/\u00e9.txt'])
      await place.file(file)
    for (const name of ['a#b.jar', 'a*.jar', 'a[1].txt', 'a{1}.txt', 'a b.txt', 'a,b.jar'])
      await place.file(`x/${name}`)
    const words = argv[0] === '--class-is-missing' ? [...base.slice(0, 2), 'app.jar'] : [...base, ...argv]
    const refused = await place.submission(words).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/.{10}/),
    })
  })

  it.each([
    ['no image is named', ['--class', 'A', 'app.jar'], {}, 'image-missing'],
    ['no init-container is named', [...base, 'app.jar'], { initImage: undefined }, 'init-image-missing'],
    ['no staging server is named', [...base, 'app.jar'], { server: undefined }, 'server-missing'],
    [
      'the pods would ask themselves',
      [...base, 'app.jar'],
      { server: 'http://127.0.0.1:10000' },
      'server-of-this-machine',
    ],
    ['the driver would run here', [...base, '--deploy-mode', 'client', 'app.jar'], {}, 'client-mode'],
    ['there is no application', base, {}, 'usage'],
    ['the distribution is unknown', [...base, 'app.jar'], { distribution: 'other' }, 'usage'],
  ] as const)('%s', async (_, argv, own, code) => {
    await using place = await workplace()
    await place.file('app.jar')
    await expect(place.submission(argv, own)).rejects.toMatchObject({ code, hint: expect.any(String) })
  })

  it('nothing of a signed address is said', async () => {
    await using place = await workplace()
    await place.file('app.jar')
    const argv = [...base, '--jars', 'https://user:word@host/a.jar?signature=abc,x/a.jar', 'app.jar']
    await place.file('x/a.jar')
    const refused = (await place.submission(argv).catch((error: unknown) => error)) as Error & { hint: string }
    expect(`${refused.message} ${refused.hint}`).not.toMatch(/word|signature/)
  })
})
