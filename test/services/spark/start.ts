/** Spark is no server: what is started is a folder with everything that a submission needs, ready to be named in arguments. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from '../site.ts'
import { appFolder, type SparkAssets } from './provision.ts'

export interface SparkDetails extends Record<string, string> {
  readonly directory: string
  readonly javaHome: string
  readonly version4: string
  readonly home4: string
  readonly appJar4: string
  readonly dependencyJar4: string
  readonly version3: string
  readonly home3: string
  readonly appJar3: string
  readonly dependencyJar3: string
  /** Class of the application; its arguments are the file's name and a number. In Python, a third is its exit code. */
  readonly mainClass: string
  readonly settingsFile: string
  readonly pythonMain: string
  readonly pythonModule: string
}

/** What the application prints for the number 100, from the driver and from the executors. */
export const expectedResult = 'RESULT driver=[greetings to the cargo] executors=[greetings to the cargo] sum=5050'

export async function startSpark(site: Site, assets: SparkAssets): Promise<SparkDetails> {
  const copied = async (name: string): Promise<string> => {
    const copy = join(site.folder('app'), name)
    await copyFile(join(appFolder, name), copy)
    return copy
  }
  const { '4': four, '3': three } = assets.lines
  return {
    directory: site.directory,
    javaHome: assets.javaHome,
    version4: four.version,
    home4: four.home,
    appJar4: four.appJar,
    dependencyJar4: four.dependencyJar,
    version3: three.version,
    home3: three.home,
    appJar3: three.appJar,
    dependencyJar3: three.dependencyJar,
    mainClass: 'com.example.app.Main',
    settingsFile: await copied('settings.txt'),
    pythonMain: await copied('main.py'),
    pythonModule: await copied('greeting.py'),
  }
}
