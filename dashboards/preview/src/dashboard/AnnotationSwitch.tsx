import {
  ControlsLabel,
  type dataLayers,
  type SceneComponentProps,
  SceneObjectBase,
  SceneObjectRef,
  type SceneObjectState,
} from '@grafana/scenes';

type AnnotationLayer = InstanceType<typeof dataLayers.AnnotationsDataLayer>;

interface AnnotationSwitchState extends SceneObjectState {
  layer: SceneObjectRef<AnnotationLayer>;
}

/** The switch of an annotation beside the variables. */
export class AnnotationSwitch extends SceneObjectBase<AnnotationSwitchState> {
  static Component = AnnotationSwitchRenderer;

  constructor({ layer }: { layer: AnnotationLayer }) {
    // A reference, because an object can have one parent only and the layer's is the set of all layers.
    super({ layer: new SceneObjectRef(layer) });
  }
}

function AnnotationSwitchRenderer({ model }: SceneComponentProps<AnnotationSwitch>) {
  const layer = model.state.layer.resolve();
  const { name, isHidden } = layer.useState();
  if (isHidden) {
    return null;
  }
  return (
    <div>
      <ControlsLabel htmlFor={`data-layer-${layer.state.key}`} label={name} />
      <layer.Component model={layer} />
    </div>
  );
}
