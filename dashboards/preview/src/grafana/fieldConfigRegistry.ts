import {
  booleanOverrideProcessor,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  type FieldConfigPropertyItem,
  FieldConfigProperty,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  stringOverrideProcessor,
  ThresholdsMode,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

type Processor = FieldConfigPropertyItem['process'];

/**
 * Describes one property of a field's configuration to Grafana. Only the id, the path, the default and what turns the
 * JSON value into the used one matter here; editors are for the panel editor, which the preview does not have.
 */
export function fieldConfigProperty(
  category: 'Standard' | 'Panel',
  path: string,
  process: unknown,
  defaultValue?: unknown
): FieldConfigPropertyItem {
  return {
    id: path,
    path,
    name: path,
    // A panel's property in a category of the standard ones would be registered once with each of them, which fails.
    category: [category],
    settings: {},
    editor: () => null,
    override: () => null,
    process: process as Processor,
    shouldApply: () => true,
    defaultValue,
  };
}

/**
 * Fills the registry of the standard options (unit, thresholds, mappings, …). Grafana does that in its application, not
 * in its packages; without it every such option of a dashboard is dropped as unknown.
 */
export function registerStandardFieldConfig(): void {
  standardEditorsRegistry.setInit(() => []);
  const standard = (path: string, process: unknown, defaultValue?: unknown) =>
    fieldConfigProperty('Standard', path, process, defaultValue);
  standardFieldConfigEditorRegistry.setInit(() => [
    standard(FieldConfigProperty.Unit, unitOverrideProcessor),
    standard(FieldConfigProperty.Min, numberOverrideProcessor),
    standard(FieldConfigProperty.Max, numberOverrideProcessor),
    standard('fieldMinMax', booleanOverrideProcessor),
    standard(FieldConfigProperty.Decimals, numberOverrideProcessor),
    standard(FieldConfigProperty.DisplayName, displayNameOverrideProcessor),
    standard(FieldConfigProperty.NoValue, stringOverrideProcessor),
    standard(FieldConfigProperty.Color, identityOverrideProcessor),
    standard(FieldConfigProperty.Links, dataLinksOverrideProcessor),
    standard('actions', identityOverrideProcessor),
    standard(FieldConfigProperty.Mappings, valueMappingsOverrideProcessor, []),
    standard(FieldConfigProperty.Thresholds, thresholdsOverrideProcessor, {
      mode: ThresholdsMode.Absolute,
      steps: [
        { value: -Infinity, color: 'green' },
        { value: 80, color: 'red' },
      ],
    }),
    standard(FieldConfigProperty.Filterable, booleanOverrideProcessor),
  ]);
}
