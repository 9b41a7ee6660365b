import {
  FieldColorModeId,
  type FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type PanelProps,
} from '@grafana/data';
import {
  type BigValueColorMode,
  BigValueGraphMode,
  type BigValueJustifyMode,
  BigValueTextMode,
  type PercentChangeColorMode,
  type ReduceDataOptions,
  type VizOrientation,
  type VizTextDisplayOptions,
} from '@grafana/schema';
import { BigValue, DataLinksContextMenu, useTheme2, VizRepeater } from '@grafana/ui';
import type { PanelKind } from './register';

interface StatOptions {
  reduceOptions: ReduceDataOptions;
  orientation: VizOrientation;
  graphMode: BigValueGraphMode;
  colorMode: BigValueColorMode;
  justifyMode: BigValueJustifyMode;
  textMode: BigValueTextMode;
  wideLayout: boolean;
  showPercentChange: boolean;
  percentChangeColorMode: PercentChangeColorMode;
  text?: VizTextDisplayOptions;
}

function StatPanel(props: PanelProps<StatOptions>) {
  const { data, options, fieldConfig, title, width, height, replaceVariables, renderCounter, timeZone } = props;
  const theme = useTheme2();

  // A panel without a title has to say in its body what the value is.
  const showsName = options.textMode === BigValueTextMode.Auto && (fieldConfig.defaults.displayName || !title);
  const textMode = showsName ? BigValueTextMode.ValueAndName : options.textMode;

  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      getValues={() =>
        getFieldDisplayValues({
          fieldConfig,
          reduceOptions: options.reduceOptions,
          replaceVariables,
          theme,
          data: data.series,
          sparkline: options.graphMode !== BigValueGraphMode.None,
          percentChange: options.showPercentChange,
          timeZone,
        })
      }
      getAlignmentFactors={(values) => getDisplayValueAlignmentFactors(values)}
      renderValue={({ value, width: valueWidth, height: valueHeight, count, alignmentFactors }) => {
        const bigValue = (onClick?: React.MouseEventHandler<HTMLElement>, className?: string) => (
          <BigValue
            value={value.display}
            count={count}
            sparkline={value.sparkline}
            colorMode={options.colorMode}
            graphMode={options.graphMode}
            justifyMode={options.justifyMode}
            textMode={textMode}
            alignmentFactors={alignmentFactors}
            text={options.text}
            disableWideLayout={!options.wideLayout}
            percentChangeColorMode={options.percentChangeColorMode}
            width={valueWidth}
            height={valueHeight}
            theme={theme}
            onClick={onClick}
            className={className}
            hasLinks={value.hasLinks}
          />
        );
        return value.hasLinks && value.getLinks ? (
          <DataLinksContextMenu links={value.getLinks}>
            {({ openMenu, targetClassName }) => bigValue(openMenu, targetClassName)}
          </DataLinksContextMenu>
        ) : (
          bigValue()
        );
      }}
      source={data}
      renderCounter={renderCounter}
      width={width}
      height={height}
      itemSpacing={3}
      autoGrid
      orientation={options.orientation}
    />
  );
}

export const statPanel: PanelKind = {
  id: 'stat',
  component: StatPanel as never,
  options: {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    orientation: 'auto',
    graphMode: 'area',
    colorMode: 'value',
    justifyMode: 'auto',
    textMode: 'auto',
    wideLayout: true,
    showPercentChange: false,
    percentChangeColorMode: 'standard',
  },
  colorMode: FieldColorModeId.Thresholds,
  custom: {},
};
