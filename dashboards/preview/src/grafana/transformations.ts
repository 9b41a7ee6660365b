import { standardTransformers, standardTransformersRegistry, type TransformerRegistryItem } from '@grafana/data';

/**
 * Registers Grafana's own transformations. Their code is published, their registration is not. standardTransformers
 * names some of them twice (joinByField is also seriesToColumns), which the registry refuses, hence the map by id.
 */
export function registerTransformations(): void {
  const byId = new Map(Object.values(standardTransformers).map((transformer) => [transformer.id, transformer]));
  standardTransformersRegistry.setInit(() =>
    [...byId.values()].map(
      (transformer) =>
        ({
          id: transformer.id,
          name: transformer.name,
          description: '',
          transformation: () => Promise.resolve(transformer),
          editor: () => null,
          imageDark: '',
          imageLight: '',
        }) as unknown as TransformerRegistryItem
    )
  );
}
