import {
  FieldColorModeId,
  type FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type PanelProps,
} from '@grafana/data';
import {
  BarGaugeDisplayMode,
  type BarGaugeNamePlacement,
  BarGaugeSizing,
  type BarGaugeValueMode,
  type ReduceDataOptions,
  VizOrientation,
  type VizTextDisplayOptions,
} from '@grafana/schema';
import { BarGauge, DataLinksContextMenu, useTheme2, VizRepeater } from '@grafana/ui';
import type { PanelKind } from './register';

interface BarGaugeOptions {
  reduceOptions: ReduceDataOptions;
  orientation: VizOrientation;
  displayMode: BarGaugeDisplayMode;
  valueMode: BarGaugeValueMode;
  namePlacement: BarGaugeNamePlacement;
  showUnfilled: boolean;
  sizing: BarGaugeSizing;
  minVizWidth: number;
  minVizHeight: number;
  maxVizHeight: number;
  text?: VizTextDisplayOptions;
}

const automaticSizes = { minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 };

function BarGaugePanel(props: PanelProps<BarGaugeOptions>) {
  const { data, options, fieldConfig, width, height, replaceVariables, renderCounter, timeZone } = props;
  const theme = useTheme2();
  const sizes = options.sizing === BarGaugeSizing.Manual ? options : automaticSizes;
  const wide = width > height;
  const automaticOrientation = wide ? VizOrientation.Vertical : VizOrientation.Horizontal;
  const orientation = options.orientation === VizOrientation.Auto ? automaticOrientation : options.orientation;

  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      getValues={() =>
        getFieldDisplayValues({
          fieldConfig,
          reduceOptions: options.reduceOptions,
          replaceVariables,
          theme,
          data: data.series,
          timeZone,
        })
      }
      getAlignmentFactors={(values) => getDisplayValueAlignmentFactors(values)}
      renderValue={({ value, width: valueWidth, height: valueHeight, alignmentFactors }) => {
        const bar = (onClick?: React.MouseEventHandler<HTMLElement>, className?: string) => (
          <BarGauge
            value={value.display}
            field={value.field}
            display={value.colIndex === undefined ? undefined : value.view?.getFieldDisplayProcessor(value.colIndex)}
            width={valueWidth}
            height={valueHeight}
            orientation={orientation}
            displayMode={options.displayMode}
            valueDisplayMode={options.valueMode}
            namePlacement={options.namePlacement}
            showUnfilled={options.showUnfilled}
            alignmentFactors={alignmentFactors}
            text={options.text}
            theme={theme}
            onClick={onClick}
            className={className}
          />
        );
        return value.hasLinks && value.getLinks ? (
          <DataLinksContextMenu links={value.getLinks} style={{ height: '100%' }}>
            {({ openMenu, targetClassName }) => bar(openMenu, targetClassName)}
          </DataLinksContextMenu>
        ) : (
          bar()
        );
      }}
      source={data}
      renderCounter={renderCounter}
      width={width}
      height={height}
      itemSpacing={options.displayMode === BarGaugeDisplayMode.Lcd ? 2 : 10}
      minVizWidth={sizes.minVizWidth}
      minVizHeight={sizes.minVizHeight}
      maxVizHeight={sizes.maxVizHeight}
      orientation={orientation}
    />
  );
}

export const barGaugePanel: PanelKind = {
  id: 'bargauge',
  component: BarGaugePanel as never,
  options: {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    orientation: 'auto',
    displayMode: 'gradient',
    valueMode: 'color',
    namePlacement: 'auto',
    showUnfilled: true,
    sizing: 'auto',
    ...automaticSizes,
  },
  colorMode: FieldColorModeId.Thresholds,
  custom: {},
};
